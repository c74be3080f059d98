"""What the requester can still do with his request, in each of its states."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.request_api.domain.requests import MOST_ANSWERS, answer, release, usable_approval, withdraw
from shared.events.access import AccessReleased
from shared.events.envelope import Event
from shared.events.requests import InformationProvided, RequestWithdrawn
from shared.lifecycle import RequestState
from shared.web.problems import Problem
from tests.unit.request_api.made import EVE, HOUR, NOW, Story, event

LATER = NOW + timedelta(minutes=5)


def states() -> dict[str, RequestState]:
    story = Story()
    both = [story.provider_approved(), story.approved()]
    return {
        "awaiting_provider": story.fold(),
        "awaiting_customer": story.fold(story.provider_approved()),
        "approved": story.fold(*both),
        "active": story.fold(*both, story.token_issued()),
        "denied": story.fold(story.denied()),
        "expired": story.fold(story.expired()),
        "withdrawn": story.fold(story.withdrawn()),
        "withdrawn after the approval": story.fold(*both, story.withdrawn(), story.revoked()),
        "revoked": story.fold(*both, story.revoked()),
        "released": story.fold(*both, story.token_issued(), story.released()),
        "over": story.fold(*both, story.token_issued(), story.clock_passed()),
    }


def named(outcome: object) -> str:
    return outcome.code if isinstance(outcome, Problem) else type(outcome).__name__


@pytest.mark.parametrize(
    ("state", "on_withdrawal", "on_release", "on_token"),
    [
        ("awaiting_provider", "RequestWithdrawn", "not_approved", "not_approved"),
        ("awaiting_customer", "RequestWithdrawn", "not_approved", "not_approved"),
        ("approved", "RequestWithdrawn", "AccessReleased", "RequestApproved"),
        ("active", "use_release", "AccessReleased", "RequestApproved"),
        ("denied", "already_decided", "not_approved", "not_approved"),
        ("expired", "decision_window_closed", "not_approved", "not_approved"),
        ("withdrawn", "NoneType", "not_approved", "not_approved"),
        ("withdrawn after the approval", "NoneType", "access_ended", "access_ended"),
        ("revoked", "access_ended", "access_ended", "access_ended"),
        ("released", "use_release", "NoneType", "access_ended"),
        ("over", "use_release", "access_ended", "access_ended"),
    ],
)
def test_each_state_allows_what_it_should(state: str, on_withdrawal: str, on_release: str, on_token: str) -> None:
    found = states()[state]
    assert named(withdraw(found, EVE, LATER)) == on_withdrawal
    assert named(release(found, EVE, LATER)) == on_release
    assert named(usable_approval(found, LATER)) == on_token


def test_what_is_made_names_the_request_its_tenant_and_the_requester() -> None:
    found = states()
    taken_back = withdraw(found["approved"], EVE, NOW)
    given_back = release(found["active"], EVE, NOW)
    said = answer(found["awaiting_customer"], "Because.", EVE, NOW)
    assert isinstance(taken_back, RequestWithdrawn)
    assert isinstance(given_back, AccessReleased)
    assert isinstance(said, InformationProvided)
    for made in (taken_back, given_back, said):
        assert made.tenant == "contoso"
        assert made.by == EVE.person


def test_a_token_can_be_used_from_the_start_of_the_access_and_not_before_or_after() -> None:
    story = Story()
    begin = NOW + HOUR
    state = story.fold(story.provider_approved(), story.approved(access_from=begin))

    def at(moment: datetime) -> str:
        return named(usable_approval(state, moment))

    assert at(begin - timedelta(microseconds=1)) == "not_started"
    assert at(begin) == "RequestApproved"
    assert at(begin + 2 * HOUR - timedelta(microseconds=1)) == "RequestApproved"
    assert at(begin + 2 * HOUR) == "access_ended"


def test_answers_are_taken_until_the_decision_or_the_end_of_the_window() -> None:
    found = states()
    for state in ("awaiting_provider", "awaiting_customer"):
        assert named(answer(found[state], "Because.", EVE, LATER)) == "InformationProvided"
        assert named(answer(found[state], "Because.", EVE, NOW + 11 * HOUR)) == "decision_window_closed"
    for state in ("approved", "active", "denied", "withdrawn", "revoked"):
        assert named(answer(found[state], "Because.", EVE, LATER)) == "already_decided"
    assert named(answer(found["expired"], "Because.", EVE, LATER)) == "decision_window_closed"


def test_the_number_of_answers_is_bounded() -> None:
    story = Story()

    def told() -> Event:
        return event(InformationProvided(**story.facts(), by=EVE.person, text="Because."))

    assert (
        named(answer(story.fold(*(told() for _ in range(MOST_ANSWERS - 1))), "More.", EVE, NOW)) != "too_many_answers"
    )
    assert named(answer(story.fold(*(told() for _ in range(MOST_ANSWERS))), "More.", EVE, NOW)) == "too_many_answers"


def test_an_approval_is_given_as_it_was_decided() -> None:
    story = Story()
    approval = story.approval()
    assert usable_approval(story.fold(story.provider_approved(), event(approval)), NOW) == approval


def test_one_stages_approval_alone_gives_no_token() -> None:
    story = Story()
    for alone in (story.provider_approved(), story.approved()):
        assert named(usable_approval(story.fold(alone), NOW)) == "not_approved"
