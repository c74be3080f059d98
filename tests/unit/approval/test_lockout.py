"""How the waits between guesses grow, and what ends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.approval.domain.lockout import ACCOUNT, ADDRESS, Rule, Standing, counted, wait

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def after(failures: int, rule: Rule, at: datetime = NOW) -> Standing:
    """Fail so often, each time as soon as it is allowed."""
    standing = Standing(0, None, at)
    for _ in range(failures):
        at += wait(standing, at)
        standing = counted(standing, rule, at)
    return standing


def seconds(failures: int, rule: Rule) -> float:
    standing = after(failures, rule)
    return wait(standing, standing.touched_at).total_seconds()


def test_the_first_failures_cost_nothing_and_each_further_one_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    assert [seconds(number, ACCOUNT) for number in range(5)] == [0, 0, 0, 0, 0]
    assert [seconds(number, ACCOUNT) for number in range(5, 17)] == [
        1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900,
    ]  # fmt: skip
    assert seconds(99, ADDRESS) == 0
    assert [seconds(number, ADDRESS) for number in range(100, 103)] == [1, 2, 4]


def test_an_account_is_forgiven_after_a_day_and_not_before() -> None:
    standing = after(9, ACCOUNT)
    assert standing.blocked_until is not None
    almost = standing.blocked_until + timedelta(days=1) - timedelta(seconds=1)
    assert counted(standing, ACCOUNT, almost).failures == 10
    assert counted(standing, ACCOUNT, almost + timedelta(seconds=1)).failures == 1


def test_an_address_is_forgiven_one_failure_for_each_minute_in_which_it_need_not_wait() -> None:
    standing = after(101, ADDRESS)
    assert standing.blocked_until is not None
    assert counted(standing, ADDRESS, standing.blocked_until).failures == 102
    assert counted(standing, ADDRESS, standing.blocked_until + timedelta(minutes=10)).failures == 92
    assert counted(standing, ADDRESS, standing.blocked_until + timedelta(hours=2)).failures == 1


@pytest.mark.parametrize("rule", [ACCOUNT, ADDRESS])
@given(failures=some.integers(0, 2**31 - 2), gone=some.timedeltas(timedelta(days=-2), timedelta(days=400)))
def test_no_number_of_failures_and_no_clock_that_goes_back_lets_anybody_in_for_free(
    rule: Rule, failures: int, gone: timedelta
) -> None:
    standing = counted(Standing(failures, None, NOW), rule, NOW + gone)
    waits = wait(standing, NOW + gone)
    assert timedelta(0) <= waits <= rule.longest
    assert standing.failures >= 1
    if gone <= timedelta(0):
        assert standing.failures == failures + 1
        assert bool(waits) == (failures + 1 >= rule.free)
