"""Until when the end of an action can be reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.request_api.domain.completion import GRACE, refuse_completion
from tests.unit.request_api.made import HOUR, NOW
from tests.unit.request_api.test_the_gates_decision import GRANT

MOMENT = timedelta(microseconds=1)


def test_an_end_is_taken_once_until_shortly_after_the_end_of_the_grant() -> None:
    last = GRANT.access_until + GRACE
    assert refuse_completion(GRANT, None, NOW) is None
    assert refuse_completion(GRANT, None, last - MOMENT) is None
    late = refuse_completion(GRANT, None, last)
    assert late is not None
    assert (late.status, late.code) == (403, "grant_ended")
    again = refuse_completion(GRANT, NOW, NOW)
    assert again is not None
    assert (again.status, again.code) == (409, "already_completed")


def test_a_grant_that_was_closed_early_ended_then() -> None:
    closed = replace(GRANT, closed_at=NOW - HOUR)
    assert refuse_completion(closed, None, NOW - HOUR + GRACE - MOMENT) is None
    assert refuse_completion(closed, None, NOW) is not None
