"""Who sees what, who may decide, and which roles a realm knows."""

import pytest

from services.approval.domain.people import Member, Scope, add, scope_of
from services.approval.handlers import HANDLERS
from shared.events.envelope import new_id
from shared.events.members import MemberAdded, RoleAssigned
from shared.lifecycle import RequestState
from shared.messaging.subscriptions import CONSUMES
from tests.unit.approval.lives import EVE, after, submission, world
from tests.unit.approval.test_decisions import provider_approves

SUBMITTED = after(submission())
PASSED_ON = after(*provider_approves(SUBMITTED, world=world()), state=SUBMITTED)


def member(realm: str, *roles: str, identity: str | None = None) -> Member:
    return Member(identity or new_id(), realm, "one@example.com", "One", frozenset(roles))


@pytest.mark.parametrize(
    ("who", "before", "then"),
    [
        (member("provider", "manager"), True, True),
        (member("provider", "auditor"), True, True),
        (member("provider", "engineer", identity=EVE.id), True, True),
        (member("provider", "engineer"), False, False),
        (member("provider", "operator"), False, False),
        (member("provider", identity=EVE.id), False, False),
        (member("contoso", "lockbox_approver"), False, True),
        (member("contoso", "auditor"), False, True),
        (member("contoso"), False, False),
        (member("fabrikam", "global_admin"), False, False),
    ],
)
def test_everybody_sees_what_his_roles_let_him_see(who: Member, *, before: bool, then: bool) -> None:
    scope = scope_of(who)
    assert (scope is not None and scope.shows(SUBMITTED)) is before
    assert (scope is not None and scope.shows(PASSED_ON)) is then


def test_a_request_whose_submission_was_not_seen_is_seen_by_nobody() -> None:
    assert not Scope().shows(RequestState())


@pytest.mark.parametrize(
    ("who", "may"),
    [
        (member("contoso", "global_admin"), True),
        (member("contoso", "lockbox_approver", "auditor"), True),
        (member("contoso", "user_admin"), False),
        (member("contoso", "auditor"), False),
        (member("fabrikam", "global_admin"), False),
        (member("provider", "manager", "global_admin"), False),
    ],
)
def test_a_tenants_own_approvers_and_admins_decide_for_it(who: Member, *, may: bool) -> None:
    assert who.decides_for("contoso") is may
    assert not who.decides_for("provider")


def test_somebody_is_added_with_his_roles() -> None:
    added, *assigned = add(member("contoso", "auditor", "user_admin"), by=None)
    assert isinstance(added, MemberAdded)
    assert [one.role for one in assigned if isinstance(one, RoleAssigned)] == ["auditor", "user_admin"]


@pytest.mark.parametrize(("realm", "role"), [("provider", "global_admin"), ("contoso", "manager"), ("contoso", "root")])
def test_a_role_of_the_other_realm_is_no_role(realm: str, role: str) -> None:
    with pytest.raises(ValueError, match=role):
        add(member(realm, role), by=None)


@pytest.mark.parametrize(
    ("who", "kind"),
    [
        (member("contoso", "global_admin"), "member"),
        (member("provider", "manager", "engineer"), "manager"),
        (member("provider", "operator"), "operator"),
        (member("provider", "engineer"), "engineer"),
        (member("provider", "auditor"), "member"),
    ],
)
def test_an_events_actor_is_of_the_kind_that_decides_most(who: Member, kind: str) -> None:
    assert who.acts_as == kind


def test_every_event_that_is_delivered_here_is_handled() -> None:
    assert HANDLERS.keys() == CONSUMES["approval"]
