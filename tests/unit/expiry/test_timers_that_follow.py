"""Which timers follow from the events of a request, whatever their order and number."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.expiry.domain import Kind, Known, evolve
from services.expiry.handlers import HANDLERS
from shared.events.access import AccessExpired
from shared.events.envelope import Event
from shared.events.requests import DecisionWindowClosed
from shared.messaging.subscriptions import CONSUMES
from tests.story import Life

LIFE = Life()
EVENTS = [
    LIFE.submitted(),
    LIFE.provider_denied(),
    LIFE.approved(),
    LIFE.denied(),
    LIFE.expired(),
    LIFE.withdrawn(),
    LIFE.released(),
    LIFE.revoked(),
]


def known_after(*events: Event) -> Known:
    known = Known(LIFE.id, LIFE.tenant)
    for event in events:
        known = evolve(known, event)
    return known


def kinds_after(*events: Event) -> list[Kind]:
    return [timer.kind for timer in known_after(*events).timers()]


def test_the_handlers_cover_exactly_what_the_service_consumes() -> None:
    assert set(HANDLERS) == CONSUMES["expiry"]


def test_a_submission_sets_the_window_to_its_decide_by() -> None:
    submitted = LIFE.submitted()
    [timer] = known_after(submitted).timers()
    assert (timer.kind, timer.due_at, timer.caused_by) == (Kind.DECISION_WINDOW, LIFE.decide_by, submitted.id)


def test_an_approval_ends_the_window_and_sets_the_end_of_the_access() -> None:
    approved = LIFE.approved()
    [timer] = known_after(LIFE.submitted(), approved).timers()
    assert (timer.kind, timer.due_at, timer.caused_by) == (Kind.ACCESS, approved.data.access_until, approved.id)


def test_a_denial_an_expiry_or_a_withdrawal_leaves_nothing_to_wait_for() -> None:
    for end in (LIFE.provider_denied(), LIFE.denied(), LIFE.expired(), LIFE.withdrawn()):
        assert kinds_after(LIFE.submitted(), end) == []


def test_a_release_a_revocation_or_a_withdrawal_ends_the_wait_for_the_end_of_access() -> None:
    for end in (LIFE.released(), LIFE.revoked(), LIFE.withdrawn()):
        assert kinds_after(LIFE.submitted(), LIFE.approved(), end) == []


def test_an_end_that_comes_first_is_remembered() -> None:
    assert kinds_after(LIFE.released(), LIFE.submitted(), LIFE.approved()) == []
    assert kinds_after(LIFE.denied(), LIFE.submitted()) == []


def test_what_a_timer_says_carries_the_times_that_their_owners_wrote() -> None:
    approved = LIFE.approved()
    known = known_after(LIFE.submitted(), approved)
    window, end = known.due(Kind.DECISION_WINDOW), known.due(Kind.ACCESS)
    assert isinstance(window, DecisionWindowClosed)
    assert isinstance(end, AccessExpired)
    assert window.decide_by == LIFE.begun + timedelta(hours=12)
    assert (end.grant_id, end.access_until) == (LIFE.grant_id, approved.data.access_until)


@given(st.lists(st.sampled_from(EVENTS), unique_by=lambda event: event.id), st.data())
def test_shuffled_and_doubled_events_give_the_same_timers(events: list[Event], data: st.DataObject) -> None:
    doubled = data.draw(st.permutations(events + events))
    assert known_after(*doubled) == known_after(*events)
