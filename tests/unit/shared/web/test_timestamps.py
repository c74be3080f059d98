"""Instants: RFC 3339 in UTC, with their offset."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.fields import format_timestamp, parse_timestamp

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(min_value=datetime(1970, 1, 3), max_value=datetime(9999, 12, 30), timezones=OFFSETS)  # noqa: DTZ001


@given(INSTANTS)
def test_what_was_written_reads_back_as_the_same_instant(instant: datetime) -> None:
    written = format_timestamp(instant)
    assert parse_timestamp(written) == instant
    assert len(written) == len("2026-11-24T10:00:00.123456Z")


@given(INSTANTS)
def test_an_offset_is_read_as_the_same_instant_in_utc(instant: datetime) -> None:
    read = parse_timestamp(instant.isoformat(timespec="microseconds"))
    assert read == instant
    assert read.tzinfo is UTC


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_timestamp(text).tzinfo is UTC


def test_digits_beyond_the_microsecond_are_dropped() -> None:
    assert format_timestamp(parse_timestamp("2026-11-24T10:00:00.123456789Z")) == "2026-11-24T10:00:00.123456Z"
    assert format_timestamp(parse_timestamp("2026-11-24t11:00:00.5+01:00")) == "2026-11-24T10:00:00.500000Z"


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-24", "2026-11-24T10:00:00", "2026-11-24 10:00:00Z", "20261124T100000Z", "2026-02-30T10:00:00Z",
     "2026-11-24T24:00:00Z", "2026-11-24T10:00:60Z", "2026-11-24T10:00:00+25:00", "0001-01-01T00:00:00+14:00",
     "9999-12-31T23:59:59-14:00", "1764000000", "2026-11-24T10:00:00Z\n", "２026-11-24T10:00:00Z"],
)  # fmt: skip
def test_other_forms_times_without_offset_and_times_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time"):
        parse_timestamp(text)


def test_an_instant_without_an_offset_is_not_written() -> None:
    with pytest.raises(ValueError, match="offset"):
        format_timestamp(datetime(2026, 11, 24))  # noqa: DTZ001
