"""Who manages whom, and who must stay: the rules of a realm's membership, for every combination of roles."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approval.domain import membership
from services.approval.domain.membership import Holder
from services.approval.domain.people import PRIVILEGED_ROLES, PROVIDER_ROLES, TENANT_ROLES, Member
from services.approval.domain.refusals import Forbidden, Invalid, Refused

TENANT = sorted(TENANT_ROLES)
PROVIDERS = sorted(PROVIDER_ROLES)


def subsets(roles: list[str]) -> list[frozenset[str]]:
    return [frozenset(one) for one in chain.from_iterable(combinations(roles, n) for n in range(len(roles) + 1))]


def member(realm: str, roles: frozenset[str], *, identity: str = "m", stale: frozenset[str] = frozenset()) -> Member:
    return Member(identity, realm, f"{identity}@example.com", identity, roles, stale_roles=stale)


def allowed(by: Member, him: Member) -> bool:
    try:
        membership.may_manage_him(by, him)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("his", subsets(TENANT))
def test_in_a_tenant_a_user_admin_reaches_the_unprivileged_and_a_global_admin_everybody(his: frozenset[str]) -> None:
    him = member("contoso", his, identity="him")
    for roles in subsets(TENANT):
        by = member("contoso", roles)
        expected = "global_admin" in roles or ("user_admin" in roles and his.isdisjoint(PRIVILEGED_ROLES))
        assert allowed(by, him) is expected
        for elsewhere in (member("fabrikam", roles), member("provider", frozenset(PROVIDERS))):
            assert not allowed(elsewhere, him)


def test_whom_an_issuers_group_made_privileged_is_protected_also_while_that_is_old() -> None:
    him = member("contoso", frozenset(), identity="him", stale=frozenset({"lockbox_approver"}))
    assert not allowed(member("contoso", frozenset({"user_admin"})), him)
    assert allowed(member("contoso", frozenset({"global_admin"})), him)


def test_an_old_word_of_an_issuer_lets_nobody_manage() -> None:
    by = member("contoso", frozenset(), stale=frozenset({"global_admin"}))
    assert not allowed(by, member("contoso", frozenset(), identity="him"))


@pytest.mark.parametrize("roles", subsets(PROVIDERS))
def test_the_providers_people_are_managed_by_operators(roles: frozenset[str]) -> None:
    him = member("provider", frozenset(PROVIDERS), identity="him")
    assert allowed(member("provider", roles), him) is ("operator" in roles)
    assert not allowed(member("contoso", frozenset(TENANT)), him)


@given(
    people=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_in_whatever_order_they_leave_somebody_stays_who_can_let_people_in(
    people: list[tuple[bool, bool]], order: object
) -> None:
    """Each is (admin, able); who acts is an able admin, so there is one at the start."""
    admins = {f"m{n}": Holder(f"m{n}", able) for n, (admin, able) in enumerate(people) if admin}
    admins["first"] = Holder("first", True)
    leaving = [*admins]
    order.shuffle(leaving)  # type: ignore[attr-defined]  # hypothesis gives a random.Random.
    for one in leaving:
        him = member("contoso", frozenset({"global_admin"}), identity=one)
        try:
            membership.check_admin_leaves(him, list(admins.values()))
        except Refused as refusal:
            assert refusal.code == "last_global_admin"  # noqa: PT017 - Whether it raises depends on the order.
        else:
            del admins[one]
        assert any(left.able for left in admins.values())


def test_who_is_no_admin_may_always_leave() -> None:
    membership.check_admin_leaves(member("contoso", frozenset({"lockbox_approver"})), [])
    membership.check_admin_leaves(member("provider", frozenset({"engineer"})), [])


@pytest.mark.parametrize(("deciders", "required", "enough"), [(2, 2, True), (1, 2, False), (0, 1, False), (5, 1, True)])
def test_as_many_stay_as_a_decision_takes(deciders: int, required: int, *, enough: bool) -> None:
    if enough:
        membership.check_enough(deciders, required)
    else:
        with pytest.raises(Refused, match="too_few_approvers"):
            membership.check_enough(deciders, required)


def test_every_privileged_role_starts_its_holder_anew_but_who_gives_it_to_himself() -> None:
    for role in TENANT_ROLES | PROVIDER_ROLES:
        assert membership.starts_anew(role, by_himself=False) is (role in PRIVILEGED_ROLES)
        assert not membership.starts_anew(role, by_himself=True)


@pytest.mark.parametrize(("realm", "role"), [("provider", "global_admin"), ("contoso", "operator"), ("contoso", "")])
def test_a_role_of_the_other_realm_is_unknown(realm: str, role: str) -> None:
    with pytest.raises(Invalid, match="unknown_role"):
        membership.check_roles(realm, ["auditor", role], "roles")


@pytest.mark.parametrize(("count", "said"), [(0, 0), (10, 0), (11, 1), (500, 1)])
def test_a_large_group_is_advised_against(count: int, said: int) -> None:
    assert len(membership.warnings(count)) == said
