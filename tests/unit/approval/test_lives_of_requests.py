"""No sequence of commands and events reaches a grant that nobody decided on, that is too long, or that outlives its end."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.approval.domain import requests as domain
from services.approval.domain import votes
from services.approval.domain.narrowing import covers
from services.approval.domain.refusals import Refused
from shared.events.access import AccessExpired, AccessReleased, AccessTokenIssued
from shared.events.envelope import Event, new_id
from shared.events.requests import (
    InformationProvided,
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
from shared.lifecycle import RequestState, evolve
from tests.unit.approval.lives import ADMIN, DPO, EVE, MAX, MIA, NOW, SERVICES, submission, told, world

SECONDS = st.integers(min_value=1, max_value=6 * 3600).map(lambda seconds: timedelta(seconds=seconds))
STEPS = st.integers(min_value=1, max_value=3600).map(lambda seconds: timedelta(seconds=seconds))
# Each life has only some of these, so that not every life ends before it has begun.
TROUBLES = st.sets(st.sampled_from(["denials", "withdrawals", "world", "ends"]))
IDS = st.sampled_from(
    [
        "exchange-online",
        "exchange-online/mailboxes/alice",
        "exchange-online/mailboxes/alice/inbox",
        "sharepoint-online/a",
    ]
)
RESOURCES = st.lists(
    st.builds(Resource, id=IDS, operations=st.lists(st.sampled_from(["read", "write"]), min_size=1, unique=True)),
    min_size=1,
    max_size=3,
)
# Somebody who submitted as a manager is a manager still.
EVE_AS_MANAGER = Decider(**EVE.model_dump(include={"id", "email", "name"}), roles=["manager"], method="password")
MANAGERS = st.sampled_from([MAX, MIA, EVE_AS_MANAGER])
DINO = Decider(id=new_id(), email="dino@contoso.example", name="Dino", roles=["lockbox_approver"], method="password")
DECIDERS = [DPO, ADMIN, DINO]
APPROVERS = st.sampled_from(DECIDERS)
COMMENTS = st.sampled_from([None, "Go on."])


class LifeOfARequest(RuleBasedStateMachine):
    """One request: people decide, the world changes, events arrive and arrive again, and time goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOW
        self.state = RequestState()
        self.events: list[Event] = []
        # Also settings that nobody can choose lead to no grant of more than four hours.
        self.world = world(max_duration=timedelta(hours=6))
        self.deciding = {one.id for one in DECIDERS}

    @initialize(
        troubles=TROUBLES,
        duration=SECONDS | st.sampled_from([timedelta(hours=2), timedelta(hours=5)]),
        window=SECONDS | st.just(timedelta(hours=12)),
        wait=st.one_of(st.none(), SECONDS),
        resources=RESOURCES,
        service=st.sampled_from(SERVICES),
        required=st.sampled_from([1, 1, 2, 3]),
    )
    def submit(
        self,
        troubles: set[str],
        duration: timedelta,
        window: timedelta,
        wait: timedelta | None,
        resources: list[Resource],
        service: str,
        required: int,
    ) -> None:
        self.troubles = troubles
        self.world = world(max_duration=timedelta(hours=6), approvals_required=required)
        self.submitted: RequestSubmitted = submission(
            duration=duration,
            decide_by=self.now + window,
            starts_at=None if wait is None else self.now + wait,
            resources=resources,
            service=service,
        )
        self.hear(self.submitted)

    def hear(self, *facts: Data, vote_id: str | None = None) -> None:
        for fact in facts:
            event = told(fact, self.now, id=vote_id if isinstance(fact, VoteCast) else None)
            self.events.append(event)
            self.state = evolve(self.state, event)

    def attempt(self, decide: Callable[[], Sequence[Data]], vote_id: str | None = None) -> None:
        try:
            self.hear(*decide(), vote_id=vote_id)
        except Refused:
            return

    # What people of the provider and the customer do.

    @rule(by=MANAGERS, comment=COMMENTS)
    def provider_approves(self, by: Decider, comment: str | None) -> None:
        self.attempt(
            lambda: domain.provider_approve(
                self.state, by=by, comment=comment, world=self.world, grant_id=new_id(), now=self.now
            )
        )

    @rule(manager=MANAGERS, approver=APPROVERS)
    def both_agree_to_all_of_it(self, manager: Decider, approver: Decider) -> None:
        self.provider_approves(by=manager, comment=None)
        if self.state.provider_approved_at is not None:
            for one in [approver, *DECIDERS]:
                self.customer_approves(by=one, comment=None, duration=None, resources=None)

    @precondition(lambda self: "denials" in self.troubles)
    @rule(by=MANAGERS)
    def provider_denies(self, by: Decider) -> None:
        self.attempt(lambda: domain.provider_deny(self.state, by=by, comment="No.", world=self.world, now=self.now))

    @precondition(lambda self: self.state.provider_approved_at is not None)
    @rule(by=APPROVERS, comment=COMMENTS, duration=st.one_of(st.none(), SECONDS), resources=st.none() | RESOURCES)
    def customer_approves(
        self, by: Decider, comment: str | None, duration: timedelta | None, resources: list[Resource] | None
    ) -> None:
        if by.id not in self.deciding:
            return
        vote_id = new_id()
        self.attempt(
            lambda: votes.approve(
                self.state,
                by=by,
                comment=comment,
                duration=duration,
                resources=resources,
                world=replace(self.world, deciding=frozenset(self.deciding)),
                vote_id=vote_id,
                grant_id=new_id(),
                now=self.now,
            ),
            vote_id,
        )

    @precondition(lambda self: "world" in self.troubles)
    @rule(who=APPROVERS)
    def somebody_loses_the_role_or_gets_it_back(self, who: Decider) -> None:
        self.deciding ^= {who.id}

    @precondition(lambda self: "denials" in self.troubles)
    @rule(by=APPROVERS)
    def customer_denies(self, by: Decider) -> None:
        self.attempt(lambda: votes.deny(self.state, by=by, comment="No.", world=self.world, now=self.now))

    @precondition(lambda self: self.state.provider_approved_at is not None)
    @rule(by=APPROVERS)
    def customer_asks(self, by: Decider) -> None:
        self.attempt(lambda: domain.ask(self.state, by=by, text="Why?", now=self.now))

    @precondition(lambda self: "ends" in self.troubles)
    @rule(by=st.sampled_from([DPO, MAX]))
    def somebody_revokes(self, by: Decider) -> None:
        self.attempt(lambda: domain.revoke(self.state, by=by, reason="Enough.", now=self.now))

    # What the service does by itself, whenever it is asked to.

    @rule()
    def the_window_is_reported_closed(self) -> None:
        self.attempt(lambda: domain.close_window(self.state, self.now))

    @rule()
    def the_withdrawal_is_answered(self) -> None:
        self.attempt(lambda: domain.answer_withdrawal(self.state, self.now))

    # What other services tell.

    @precondition(lambda self: "withdrawals" in self.troubles)
    @rule()
    def the_engineer_withdraws(self) -> None:
        self.hear(RequestWithdrawn(**self.about(), by=Person(**EVE.model_dump())))

    @rule()
    def the_engineer_answers(self) -> None:
        self.hear(InformationProvided(**self.about(), by=Person(**EVE.model_dump()), text="Because."))

    @precondition(lambda self: self.state.approved is not None)
    @rule()
    def a_token_is_issued(self) -> None:
        until = self.submitted.decide_by
        engineer = Person(**EVE.model_dump())
        self.hear(AccessTokenIssued(**self.of_grant(), token_id=new_id(), engineer=engineer, access_until=until))

    @precondition(lambda self: self.state.approved is not None and "ends" in self.troubles)
    @rule()
    def the_engineer_releases(self) -> None:
        self.hear(AccessReleased(**self.of_grant(), by=Person(**EVE.model_dump())))

    @precondition(lambda self: self.state.approved is not None and "ends" in self.troubles)
    @rule()
    def the_clock_is_reported_to_have_passed(self) -> None:
        assert self.state.approved is not None
        self.hear(AccessExpired(**self.of_grant(), access_until=self.state.approved.access_until))

    @precondition(lambda self: bool(self.events))
    @rule(choice=st.randoms(use_true_random=False))
    def an_event_comes_again(self, choice: random.Random) -> None:
        self.state = evolve(self.state, choice.choice(self.events))

    # What else changes.

    @rule(by=STEPS)
    def time_goes_on(self, by: timedelta) -> None:
        self.now += by

    @precondition(lambda self: "world" in self.troubles)
    @rule(
        enabled=st.booleans(),
        may=st.booleans(),
        longest=SECONDS,
        services=st.lists(st.sampled_from(SERVICES), unique=True),
    )
    def the_world_changes(self, *, enabled: bool, may: bool, longest: timedelta, services: list[str]) -> None:
        required = self.world.settings.approvals_required
        self.world = world(
            enabled=enabled, engineer_may=may, max_duration=longest, services=services, approvals_required=required
        )

    def about(self) -> dict[str, Any]:
        return {"request_id": self.submitted.request_id, "tenant": self.submitted.tenant}

    def of_grant(self) -> dict[str, Any]:
        assert self.state.approved is not None
        return self.about() | {"grant_id": self.state.approved.grant_id}

    def seen(self, *kinds: type[Data]) -> list[Event]:
        return [event for event in self.events if isinstance(event.data, kinds)]

    @invariant()
    def it_is_decided_once_at_most(self) -> None:
        assert len(self.seen(RequestApproved, RequestDenied, ProviderDenied, RequestExpired)) <= 1

    @invariant()
    def a_grant_rests_on_both_decisions_or_on_a_lockbox_that_was_off(self) -> None:
        for event in self.seen(RequestApproved):
            granted: RequestApproved = event.data
            (provider,) = (one.data for one in self.seen(ProviderApproved))
            assert provider.approver in (MAX, MIA)
            cast = {one.id: one.data for one in self.seen(VoteCast)}
            if granted.basis == "lockbox_disabled":
                assert provider.approvals_required == 0
                assert not cast
                assert granted.approver == provider.approver
            else:
                assert len(granted.votes) >= provider.approvals_required >= 1
                counted = [cast[one] for one in granted.votes]
                assert {vote.vote for vote in cast.values()} == {"approve"}
                people = {vote.approver.id for vote in counted if vote.approver is not None}
                assert len(people) == len(counted)
                assert counted[-1].approver == granted.approver
                for vote in counted:
                    assert granted.duration <= vote.duration
                    assert all(
                        any(covers(left.id, one.id) and operation in left.operations for left in vote.resources)
                        for one in granted.resources
                        for operation in one.operations
                    )

    @invariant()
    def a_grant_is_no_longer_and_no_wider_than_was_asked(self) -> None:
        for event in self.seen(RequestApproved):
            granted: RequestApproved = event.data
            assert granted.access_from is not None
            assert granted.access_until is not None
            assert granted.access_until - granted.access_from == granted.duration <= self.submitted.duration
            assert granted.duration <= timedelta(hours=4)
            assert granted.access_from >= max(event.time, self.submitted.starts_at or event.time)
            for resource in granted.resources:
                for operation in resource.operations:
                    assert any(
                        covers(asked.id, resource.id) and operation in asked.operations
                        for asked in self.submitted.resources
                    )

    @invariant()
    def whoever_decides_late_decides_nothing(self) -> None:
        for event in self.seen(ProviderApproved, ProviderDenied, VoteCast, RequestApproved, RequestDenied):
            assert event.time < self.submitted.decide_by
        for event in self.seen(RequestExpired):
            assert event.time >= self.submitted.decide_by

    @invariant()
    def no_grant_lives_after_its_end(self) -> None:
        if self.state.state(self.now) in ("approved", "active"):
            assert self.state.approved is not None
            assert self.now < self.state.approved.access_until
            assert not self.seen(RequestWithdrawn, AccessReleased, AccessExpired)
            assert self.state.revoked_at is None

    @invariant()
    def the_order_of_the_events_changes_nothing(self) -> None:
        shuffled = random.Random(len(self.events)).sample(self.events, len(self.events))
        state = RequestState()
        for event in shuffled:
            state = evolve(state, event)
        assert state == self.state


TestLifeOfARequest = LifeOfARequest.TestCase
TestLifeOfARequest.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
