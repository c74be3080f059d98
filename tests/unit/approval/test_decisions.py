"""What a decision comes to, and why one is refused."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from services.approval.domain import requests as domain
from services.approval.domain import votes
from services.approval.domain.refusals import Forbidden, Refused
from shared.events.access import AccessRevoked, AccessTokenIssued
from shared.events.envelope import new_id
from shared.events.requests import (
    ProviderApproved,
    ProviderDenied,
    RequestApproved,
    RequestDenied,
    RequestExpired,
    RequestSubmitted,
    RequestWithdrawn,
    VoteCast,
)
from shared.events.values import Data, Decider, Person, Resource
from shared.lifecycle import RequestState
from tests.unit.approval.lives import ADMIN, DPO, EVE, MAX, NOW, after, submission, world

SOON = NOW + timedelta(minutes=5)
EVE_PERSON = Person(id=EVE.id, email=EVE.email, name=EVE.name)


def provider_approves(state: RequestState, **changes: Any) -> Sequence[Data]:
    facts: dict[str, Any] = {"by": MAX, "comment": None, "world": world(), "grant_id": new_id(), "now": SOON}
    return domain.provider_approve(state, **(facts | changes))


def customer_approves(state: RequestState, **changes: Any) -> Sequence[Data]:
    facts: dict[str, Any] = {
        "by": DPO,
        "comment": None,
        "duration": None,
        "resources": None,
        "world": world(),
        "vote_id": new_id(),
        "grant_id": new_id(),
        "now": SOON,
    }
    return votes.approve(state, **(facts | changes))


def awaiting_customer(**changes: Any) -> RequestState:
    state = after(submission(**changes))
    return after(*provider_approves(state), now=SOON, state=state)


def approved(**changes: Any) -> RequestState:
    state = awaiting_customer(**changes)
    return after(*customer_approves(state), now=SOON, state=state)


def refusal(decide: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        decide()
    return refused.value.code


def test_the_customer_is_asked_after_the_manager_where_the_lockbox_is_on() -> None:
    (fact,) = provider_approves(after(submission()), comment="Needed.")
    assert isinstance(fact, ProviderApproved)
    assert (fact.approver, fact.comment, fact.approvals_required) == (MAX, "Needed.", 1)
    assert fact.access_until is None


def test_the_managers_approval_suffices_where_the_lockbox_is_off_and_the_event_says_so() -> None:
    asked = submission()
    first, second = provider_approves(after(asked), world=world(enabled=False), grant_id="g")
    assert isinstance(first, ProviderApproved)
    assert first.approvals_required == 0
    assert isinstance(second, RequestApproved)
    assert (second.basis, second.approver, second.grant_id) == ("lockbox_disabled", MAX, "g")
    assert (second.access_from, second.access_until) == (SOON, SOON + asked.duration)


def test_a_request_that_was_waiting_when_the_lockbox_was_switched_off_still_waits() -> None:
    vote, granted = customer_approves(awaiting_customer(), world=world(enabled=False))
    assert isinstance(vote, VoteCast)
    assert isinstance(granted, RequestApproved)
    assert granted.basis == "customer_decision"


def test_a_decision_names_the_human_the_settings_and_the_bytes_that_he_was_shown() -> None:
    state = awaiting_customer()
    vote, granted = customer_approves(state, comment="Fine.")
    for fact in (vote, granted):
        assert isinstance(fact, VoteCast | RequestApproved)
        assert fact.approver == DPO
        assert fact.request_digest == state.digest
        assert fact.settings_version == 3
        assert fact.comment == "Fine."
        assert (fact.access_from, fact.access_until) == (SOON, SOON + timedelta(hours=2))


def test_the_customer_may_grant_less() -> None:
    less = [Resource(id="exchange-online/mailboxes/alice/inbox", operations=["read"])]
    _, granted = customer_approves(awaiting_customer(), duration=timedelta(seconds=1), resources=less)
    assert isinstance(granted, RequestApproved)
    assert (granted.resources, granted.duration) == (less, timedelta(seconds=1))
    assert granted.access_until == SOON + timedelta(seconds=1)


def test_access_begins_when_it_was_asked_for_and_never_before_the_decision() -> None:
    later = SOON + timedelta(hours=3)
    _, granted = customer_approves(awaiting_customer(starts_at=later))
    assert isinstance(granted, RequestApproved)
    assert (granted.access_from, granted.access_until) == (later, later + timedelta(hours=2))
    _, granted = customer_approves(awaiting_customer(starts_at=NOW))
    assert isinstance(granted, RequestApproved)
    assert granted.access_from == SOON


def test_a_denial_is_a_vote_and_a_decision() -> None:
    vote, denied = votes.deny(awaiting_customer(), by=ADMIN, comment="No.", world=world(), now=SOON)
    assert isinstance(vote, VoteCast)
    assert vote.vote == "deny"
    assert isinstance(denied, RequestDenied)
    assert (denied.approver, denied.comment, denied.code) == (ADMIN, "No.", None)


def test_a_manager_never_decides_on_his_own_request() -> None:
    himself = Decider(id=EVE.id, email=EVE.email, name=EVE.name, roles=["manager"], method="password")
    state = after(submission())
    with pytest.raises(Forbidden) as refused:
        provider_approves(state, by=himself)
    assert refused.value.code == "own_request"
    with pytest.raises(Forbidden):
        domain.provider_deny(state, by=himself, comment="No.", world=world(), now=SOON)


@pytest.mark.parametrize("moment", [NOW + timedelta(hours=12), NOW + timedelta(hours=13)])
def test_a_decision_at_the_deadline_is_too_late(moment: Any) -> None:
    assert refusal(lambda: provider_approves(after(submission()), now=moment)) == "decision_window_closed"
    assert refusal(lambda: customer_approves(awaiting_customer(), now=moment)) == "decision_window_closed"
    asked = awaiting_customer()
    assert refusal(lambda: domain.ask(asked, by=DPO, text="?", now=moment)) == "decision_window_closed"


def test_a_decision_on_an_expired_request_says_that_the_window_is_closed() -> None:
    state = awaiting_customer()
    (expired,) = domain.close_window(state, NOW + timedelta(hours=12))
    assert isinstance(expired, RequestExpired)
    assert expired.stage == "customer"
    state = after(expired, now=NOW + timedelta(hours=12), state=state)
    assert refusal(lambda: customer_approves(state, now=SOON)) == "decision_window_closed"


def test_a_decision_on_what_is_decided_is_refused() -> None:
    assert refusal(lambda: customer_approves(approved())) == "already_decided"
    assert refusal(lambda: provider_approves(awaiting_customer())) == "already_decided"
    withdrawn = after(submission())
    asked: RequestSubmitted | None = withdrawn.submitted
    assert asked is not None
    gone = RequestWithdrawn(request_id=asked.request_id, tenant=asked.tenant, by=EVE_PERSON)
    withdrawn = after(gone, state=withdrawn)
    assert refusal(lambda: provider_approves(withdrawn)) == "already_decided"


def test_nobody_votes_twice() -> None:
    # With one vote required every vote decides; a request of two would still be open.
    state = awaiting_customer()
    vote, _ = customer_approves(state)
    voted = after(vote, now=SOON, state=state)
    assert refusal(lambda: customer_approves(voted)) == "already_voted"
    assert refusal(lambda: votes.deny(voted, by=DPO, comment="No.", world=world(), now=SOON)) == "already_voted"
    assert customer_approves(voted, by=ADMIN)


CHANGED_WORLDS = [
    ({"engineer_may": False}, "engineer_without_role"),
    ({"services": ["sharepoint-online"]}, "service_not_covered"),
    ({"excluded": frozenset({"mailboxes"})}, "service_not_covered"),
    ({"max_duration": timedelta(hours=1)}, "duration_too_long"),
]


@pytest.mark.parametrize(("change", "code"), CHANGED_WORLDS)
def test_the_service_denies_at_the_vote_what_the_world_no_longer_allows(change: dict[str, Any], code: str) -> None:
    vote, denied = customer_approves(awaiting_customer(), world=world(**change))
    assert isinstance(vote, VoteCast)
    assert (vote.vote, vote.approver) == ("approve", DPO)
    assert isinstance(denied, RequestDenied)
    assert (denied.approver, denied.code) == (None, code)
    assert denied.comment


@pytest.mark.parametrize(("change", "code"), CHANGED_WORLDS)
def test_the_service_denies_at_the_managers_approval_what_it_would_otherwise_grant(
    change: dict[str, Any], code: str
) -> None:
    (denied,) = provider_approves(after(submission()), world=world(enabled=False, **change))
    assert isinstance(denied, ProviderDenied)
    assert (denied.approver, denied.code) == (None, code)


def test_a_longest_duration_that_was_lowered_can_still_be_met_by_granting_less() -> None:
    shorter = world(max_duration=timedelta(hours=1))
    (passed_on,) = provider_approves(after(submission()), world=shorter)
    assert isinstance(passed_on, ProviderApproved)
    _, granted = customer_approves(awaiting_customer(), world=shorter, duration=timedelta(hours=1))
    assert isinstance(granted, RequestApproved)


def test_a_window_that_is_not_over_yet_closes_on_nothing() -> None:
    assert domain.close_window(after(submission()), NOW + timedelta(hours=12) - timedelta(microseconds=1)) == []


def test_a_window_closes_on_nothing_that_was_decided() -> None:
    assert domain.close_window(approved(), NOW + timedelta(hours=12)) == []


def test_the_stage_in_which_nobody_decided_is_named() -> None:
    (expired,) = domain.close_window(after(submission()), NOW + timedelta(hours=12))
    assert isinstance(expired, RequestExpired)
    assert expired.stage == "provider"


def test_a_grant_is_revoked_once() -> None:
    state = approved()
    (revoked,) = domain.revoke(state, by=DPO, reason="Enough.", now=SOON)
    assert isinstance(revoked, AccessRevoked)
    assert state.approved is not None
    assert (revoked.grant_id, revoked.reason) == (state.approved.grant_id, "Enough.")
    ended = after(revoked, now=SOON, state=state)
    assert refusal(lambda: domain.revoke(ended, by=DPO, reason="Again.", now=SOON)) == "access_ended"
    late = SOON + timedelta(hours=2)
    assert refusal(lambda: domain.revoke(state, by=DPO, reason="Late.", now=late)) == "access_ended"


def test_a_withdrawal_after_the_approval_ends_the_grant() -> None:
    state = approved()
    assert state.submitted is not None
    about = {"request_id": state.submitted.request_id, "tenant": state.submitted.tenant}
    assert domain.answer_withdrawal(state, SOON) == []
    withdrawn = after(RequestWithdrawn(**about, by=EVE_PERSON), now=SOON, state=state)
    (revoked,) = domain.answer_withdrawal(withdrawn, SOON)
    assert isinstance(revoked, AccessRevoked)
    assert (revoked.by, revoked.code) == (None, "withdrawn")
    assert domain.answer_withdrawal(after(revoked, now=SOON, state=withdrawn), SOON) == []


def test_only_what_is_undecided_is_asked_about_and_not_without_end() -> None:
    assert refusal(lambda: domain.ask(approved(), by=DPO, text="?", now=SOON)) == "already_decided"
    state = awaiting_customer()
    for _ in range(domain.MOST_QUESTIONS):
        state = after(*domain.ask(state, by=DPO, text="?", now=SOON), now=SOON, state=state)
    assert refusal(lambda: domain.ask(state, by=DPO, text="?", now=SOON)) == "too_many_questions"


def test_a_token_does_not_keep_a_grant_from_being_revoked() -> None:
    state = approved()
    assert state.submitted is not None
    assert state.approved is not None
    assert state.approved.access_until is not None
    token = AccessTokenIssued(
        request_id=state.submitted.request_id,
        tenant=state.submitted.tenant,
        grant_id=state.approved.grant_id,
        token_id=new_id(),
        engineer=EVE_PERSON,
        access_until=state.approved.access_until,
    )
    active = after(token, now=SOON, state=state)
    assert active.state(SOON) == "active"
    assert domain.revoke(active, by=MAX, reason="Enough.", now=SOON)
