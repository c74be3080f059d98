"""A decision about anything else than what was asked opens nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.request_api.domain.approvals import NotWhatWasAsked, check
from shared.events.requests import ProviderApproved, RequestDenied
from shared.events.values import Resource
from shared.lifecycle import RequestState
from tests.unit.request_api.made import HOUR, NOW, Story, another_engineer, event

STORY = Story()
STATE = STORY.fold(STORY.provider_approved())


def test_an_approval_of_what_was_asked_fits_also_a_second_time() -> None:
    approval = STORY.approval()
    check(STATE, approval)
    check(STORY.fold(event(approval)), approval)


def test_an_approval_may_narrow() -> None:
    narrowed = [Resource(id="exchange-online/mailboxes/alice/inbox", operations=["read"])]
    check(STATE, STORY.approval(resources=narrowed, duration=HOUR, access_until=NOW + HOUR))


def test_an_approval_by_several_names_their_votes_and_leaves_what_they_have_in_common() -> None:
    left = [Resource(id=f"exchange-online/mailboxes/alice/{name}", operations=["read"]) for name in ("inbox", "sent")]
    check(STATE, STORY.approval(resources=left, votes=["one", "other"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"request_digest": "0" * 64},
        {"request_id": "another"},
        {"tenant": "fabrikam"},
        {"engineer": another_engineer()},
        {"access_until": NOW + 2 * HOUR + timedelta(microseconds=1)},
        {"access_until": NOW},
        {"access_until": NOW - HOUR},
        {"resources": [Resource(id="exchange-online/mailboxes/bob", operations=["read"])]},
        {"resources": [Resource(id="exchange-online/mailboxes", operations=["read"])]},
        {"resources": [Resource(id="exchange-online/mailboxes/alice", operations=["read", "delete"])]},
    ],
)
def test_an_approval_of_anything_else_is_poison(changes: dict[str, Any]) -> None:
    with pytest.raises(NotWhatWasAsked):
        check(STATE, STORY.approval(**changes))


def test_a_second_different_approval_is_poison() -> None:
    with pytest.raises(NotWhatWasAsked):
        check(STORY.fold(STORY.approved()), STORY.approval(grant_id="another"))


def test_every_decision_must_be_about_what_was_submitted() -> None:
    wrong = {**STORY.decision(), "request_digest": "f" * 64}
    for said in (ProviderApproved(**wrong, approvals_required=1), RequestDenied(**wrong)):
        with pytest.raises(NotWhatWasAsked):
            check(STATE, said)


def test_a_decision_on_an_unknown_submission_is_poison() -> None:
    with pytest.raises(NotWhatWasAsked):
        check(RequestState(), STORY.approval())


@given(st.timedeltas(min_value=-5 * HOUR, max_value=9 * HOUR), st.timedeltas(timedelta(seconds=1), 4 * HOUR))
def test_no_approval_opens_more_time_than_was_asked_for_or_than_four_hours(span: timedelta, asked: timedelta) -> None:
    story = Story(duration=asked)
    said = story.approval(access_until=NOW + span)
    if timedelta(0) < span <= asked:
        check(story.fold(), said)
    else:
        with pytest.raises(NotWhatWasAsked):
            check(story.fold(), said)
