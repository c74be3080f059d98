"""However people vote and whoever loses his role meanwhile: access rests on as many as were asked for who still decide."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approval.domain import votes
from services.approval.domain.refusals import Forbidden, Refused
from services.approval.domain.requests import provider_approve
from shared.events.envelope import Actor, Draft, new_id, write
from shared.events.requests import RequestApproved, RequestDenied, VoteCast
from shared.events.values import Assertion, Data, Decider, Resource
from shared.lifecycle import RequestState, evolve
from tests.unit.approval.lives import ADMIN, DPO, EVE, MAX, NOW, TENANT, after, submission, world

SOON = NOW + timedelta(minutes=5)
HOUR = timedelta(hours=1)
PEOPLE = [
    Decider(id=new_id(), email=f"{name}@contoso.example", name=name, roles=["lockbox_approver"], method="password")
    for name in "abcde"
]
IDS = {one.id for one in PEOPLE}


def asked(required: int, **changes: Any) -> RequestState:
    """Have a request that the customer was asked about when it took so many approvals."""
    state = after(submission(**changes))
    facts = provider_approve(
        state, by=MAX, comment=None, world=world(approvals_required=required), grant_id=new_id(), now=SOON
    )
    return after(*facts, now=SOON, state=state)


def approves(state: RequestState, by: Decider, deciding: set[str] | None = None, **changes: Any) -> Sequence[Data]:
    facts: dict[str, Any] = {
        "by": by,
        "comment": None,
        "duration": None,
        "resources": None,
        "world": world_of(IDS if deciding is None else deciding),
        "vote_id": new_id(),
        "grant_id": new_id(),
        "now": SOON,
    }
    return votes.approve(state, **(facts | changes))


def world_of(deciding: set[str], **settings: Any) -> Any:
    seen = world(**settings)
    return type(seen)(seen.settings, seen.settings_version, seen.engineer_may, seen.offered, frozenset(deciding))


def folded(state: RequestState, facts: Sequence[Data], vote_id: str) -> RequestState:
    """Fold facts as the service does: the vote's event has the id that was given for it."""
    for fact in facts:
        chosen = vote_id if isinstance(fact, VoteCast) else new_id()
        draft = Draft(fact, TENANT, fact.request_id, Actor("x", "member"), revision=1, id=chosen)  # type: ignore[attr-defined] # All are about a request.
        state = evolve(state, write(draft, service="approval", sequence=1, time=SOON))
    return state


@given(
    required=st.integers(1, 4),
    steps=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["vote", "lose", "regain"])), max_size=14),
)
def test_a_grant_rests_on_as_many_different_people_as_were_asked_for_who_decide_at_the_last_vote(
    required: int, steps: list[tuple[int, str]]
) -> None:
    state, deciding, voted = asked(required), set(IDS), dict[str, str]()
    for number, what in steps:
        person = PEOPLE[number]
        if what == "lose":
            deciding.discard(person.id)
        elif what == "regain":
            deciding.add(person.id)
        elif person.id in deciding:
            vote_id = new_id()
            if person.id in voted:
                with pytest.raises(Refused) as refused:
                    approves(state, person, deciding)
                assert refused.value.code == "already_voted"
                continue
            facts = approves(state, person, deciding, vote_id=vote_id)
            voted[person.id] = vote_id
            state = folded(state, facts, vote_id)
            counting = {one: event for one, event in voted.items() if one in deciding}
            granted = [fact for fact in facts if isinstance(fact, RequestApproved)]
            assert bool(granted) is (len(counting) >= required)
            if granted:
                assert set(granted[0].votes) == set(counting.values())
                assert granted[0].approver == person
                return
    assert state.state(SOON) == "awaiting_customer"


def test_what_somebody_left_who_lost_his_role_narrows_nothing() -> None:
    first, second, third = PEOPLE[:3]
    state, vote_id = asked(2), new_id()
    state = folded(state, approves(state, first, duration=HOUR, vote_id=vote_id), vote_id)
    vote_id = new_id()
    state = folded(state, approves(state, second, IDS - {first.id}, vote_id=vote_id), vote_id)
    _, granted = approves(state, third, IDS - {first.id})
    assert isinstance(granted, RequestApproved)
    assert granted.duration == timedelta(hours=2)


def test_the_shortest_duration_and_the_common_resources_are_granted() -> None:
    state, vote_id = asked(2), new_id()
    left = [Resource(id="exchange-online/mailboxes/alice/inbox", operations=["read", "write"])]
    state = folded(state, approves(state, PEOPLE[0], duration=HOUR, vote_id=vote_id), vote_id)
    vote, granted = approves(state, PEOPLE[1], resources=left, duration=HOUR * 2)
    assert isinstance(vote, VoteCast)
    assert isinstance(granted, RequestApproved)
    assert (vote.duration, granted.duration) == (HOUR * 2, HOUR)
    assert vote.resources == granted.resources == left
    assert (vote.access_until, granted.access_until) == (SOON + HOUR, SOON + HOUR)


def test_votes_that_leave_nothing_in_common_are_refused_before_the_last_one_too() -> None:
    mailboxes = [Resource(id=f"exchange-online/{name}", operations=["read"]) for name in "ab"]
    state, vote_id = asked(3, resources=mailboxes), new_id()
    state = folded(state, approves(state, PEOPLE[0], resources=mailboxes[:1], vote_id=vote_id), vote_id)
    with pytest.raises(Refused) as refused:
        approves(state, PEOPLE[1], resources=mailboxes[1:])
    assert refused.value.code == "nothing_in_common"
    # With whoever said otherwise gone, it is no obstacle.
    assert approves(state, PEOPLE[1], IDS - {PEOPLE[0].id}, resources=mailboxes[1:])


def test_one_denial_denies_after_any_number_of_approvals() -> None:
    state = asked(3)
    for person in PEOPLE[:2]:
        vote_id = new_id()
        state = folded(state, approves(state, person, vote_id=vote_id), vote_id)
    facts = votes.deny(state, by=PEOPLE[2], comment="No.", world=world_of(IDS), now=SOON)
    vote, denied = facts
    assert isinstance(vote, VoteCast)
    assert isinstance(denied, RequestDenied)
    assert folded(state, facts, new_id()).state(SOON) == "denied"


def test_a_vote_that_is_not_the_last_is_denied_only_for_what_no_later_one_can_heal() -> None:
    state = asked(2)
    (vote,) = approves(state, DPO, world=world_of(set(), max_duration=HOUR))
    assert isinstance(vote, VoteCast)
    _, denied = approves(state, DPO, world=world_of(set(), services=[]))
    assert isinstance(denied, RequestDenied)
    assert denied.code == "service_not_covered"


def test_who_asks_does_not_decide_in_the_other_realm_either() -> None:
    twin = Decider(id=new_id(), email=EVE.email.upper(), name="Eve", roles=["global_admin"], method="password")
    state = asked(1)
    with pytest.raises(Forbidden) as refused:
        approves(state, twin)
    assert refused.value.code == "own_request"
    with pytest.raises(Forbidden) as refused:
        votes.deny(state, by=twin, comment="No.", world=world_of(IDS), now=SOON)
    assert refused.value.code == "own_request"


def test_the_signature_of_the_voter_stands_in_his_vote_and_in_what_it_decides() -> None:
    signed = Assertion(credential_id="a", authenticator_data="b", client_data_json="c", signature="d")
    for fact in approves(asked(1), ADMIN, assertion=signed):
        assert isinstance(fact, VoteCast | RequestApproved)
        assert fact.assertion == signed
    for fact in votes.deny(asked(1), by=ADMIN, comment="No.", world=world_of(IDS), now=SOON, assertion=signed):
        assert isinstance(fact, VoteCast | RequestDenied)
        assert fact.assertion == signed


def test_the_votes_are_counted_alike_in_whatever_order_their_events_came() -> None:
    state, facts, ids = asked(3), [], []
    for person in PEOPLE[:2]:
        ids.append(new_id())
        facts.append(approves(state, person, duration=HOUR, vote_id=ids[-1]))
    one = folded(folded(state, facts[0], ids[0]), facts[1], ids[1])
    other = folded(folded(state, facts[1], ids[1]), facts[0], ids[0])
    assert one == other
    decided = [approves(state, PEOPLE[2], grant_id="g", vote_id="v") for state in (one, other)]
    assert decided[0] == decided[1]
    assert len(decided[0]) == 2
