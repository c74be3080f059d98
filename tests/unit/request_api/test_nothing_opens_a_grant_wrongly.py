"""No sequence of commands and events leads to an action without both approvals, for over four hours, or after the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.request_api.domain.approvals import NotWhatWasAsked, check
from services.request_api.domain.gate import Action, Allowed, GrantPicture, Picture, decide
from services.request_api.domain.requests import release, usable_approval, withdraw
from services.request_api.store.requests import closed_at
from shared.events.access import AccessTokenIssued
from shared.events.envelope import Event
from shared.events.requests import RequestApproved
from shared.events.values import Resource
from shared.lifecycle import RequestState, evolve
from shared.web.problems import Problem
from tests.unit.request_api.made import EVE, HOUR, MAILBOX, NOW, Story, another_engineer, event

LONGEST = 4 * HOUR
# What an approval may wrongly say; None: it is right.
WRONG: dict[str, dict[str, Any]] = {
    "digest": {"request_digest": "0" * 64},
    "engineer": {"engineer": another_engineer()},
    "resources": {"resources": [Resource(id="exchange-online", operations=["read"])]},
    "time": {"access_until": NOW + 30 * HOUR},
    "tenant": {"tenant": "fabrikam"},
}


class Played:
    """A request as request_api holds it, and beside it what really happened to it."""

    def __init__(self, duration: timedelta) -> None:
        self.story = Story(duration=duration)
        self.state: RequestState = self.story.fold()
        self.now: datetime = NOW
        self.blocked = False
        self.token: RequestApproved | None = None
        self.provider = False
        self.customer: RequestApproved | None = None
        self.over = False

    def hear(self, heard: Event) -> bool:
        """Apply an event as the handler does; say whether it took effect."""
        if self.blocked:
            return False
        try:
            check(self.state, heard.data)
        except (NotWhatWasAsked, ValueError):
            self.blocked = True
            return False
        self.state = evolve(self.state, heard)
        return True

    def provider_approves(self) -> None:
        self.provider |= self.hear(self.story.provider_approved(self.now))

    def customer_approves(self, wrong: str | None, start: timedelta) -> None:
        said = self.story.approval(**{"access_from": self.now + start, **(WRONG[wrong] if wrong else {})})
        if self.hear(event(said, at=self.now)) and self.customer is None:
            assert wrong is None
            self.customer = said

    def end(self, kind: str) -> None:
        if self.hear(getattr(self.story, kind)(self.now)):
            self.over = True

    def command(self, decide_on: Callable[[RequestState, Any, datetime], Any]) -> None:
        made = decide_on(self.state, EVE, self.now)
        if made is not None and not isinstance(made, Problem):
            self.state = evolve(self.state, event(made, at=self.now))
            self.over = True

    def fetch_token(self) -> None:
        approved = usable_approval(self.state, self.now)
        if isinstance(approved, Problem) or self.blocked:
            return
        self.token = approved
        data = AccessTokenIssued(
            **self.story.facts(),
            grant_id=approved.grant_id,
            token_id="t",
            engineer=EVE.person,
            access_until=approved.access_until,
        )
        self.state = evolve(self.state, event(data, at=self.now))

    def act(self) -> bool:
        if self.token is None:
            return False
        approved = self.state.approved
        grant = (
            None
            if approved is None
            else GrantPicture(
                grant_id=approved.grant_id,
                tenant=approved.tenant,
                engineer_id=self.story.data.engineer.id,
                access_from=approved.access_from,
                access_until=approved.access_until,
                closed_at=closed_at(self.state),
                resources=approved.resources,
            )
        )
        picture = Picture(complete_until=self.now, in_doubt=self.blocked, grant=grant, engineer_may=True)
        action = Action(
            grant_id=self.token.grant_id,
            tenant="contoso",
            engineer_id=EVE.id,
            token_until=self.token.access_until,
            resource=MAILBOX.id,
            operation="read",
        )
        return isinstance(decide(picture, action, self.now, staleness=timedelta(seconds=5)), Allowed)


steps = st.one_of(
    st.just(("provider_approves",)),
    st.tuples(
        st.just("customer_approves"),
        st.none() | st.none() | st.sampled_from(sorted(WRONG)),
        st.sampled_from([timedelta(), HOUR]),
    ),
    st.tuples(
        st.just("end"), st.sampled_from(["denied", "expired", "withdrawn", "revoked", "released", "clock_passed"])
    ),
    st.tuples(st.just("command"), st.sampled_from([withdraw, release])),
    st.just(("fetch_token",)),
    st.just(("fetch_token",)),
    st.tuples(st.just("wait"), st.timedeltas(timedelta(0), 2 * HOUR)),
)


@given(st.lists(steps, max_size=14), st.integers(1, 4 * 3600))
def test_an_action_is_allowed_only_between_both_approvals_and_the_first_end(script: list[Any], seconds: int) -> None:
    played = Played(timedelta(seconds=seconds))
    for name, *arguments in script:
        if name == "wait":
            played.now += arguments[0]
        else:
            getattr(played, name)(*arguments)
        if not played.act():
            continue
        assert played.provider
        assert played.customer is not None
        assert not played.over
        assert not played.blocked
        begin = played.customer.access_from
        assert begin <= played.now < begin + min(timedelta(seconds=seconds), LONGEST)


def test_the_straight_way_leads_to_an_action() -> None:
    played = Played(HOUR)
    played.provider_approves()
    played.customer_approves(None, timedelta())
    played.fetch_token()
    assert played.act()
