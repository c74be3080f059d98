"""Durations: ISO 8601 in whole seconds, one canonical form."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.fields import LONGEST_DURATION, format_duration, parse_duration

SECONDS = st.integers(min_value=1, max_value=int(LONGEST_DURATION.total_seconds()))


@given(SECONDS)
def test_what_was_written_reads_back_as_the_same_duration(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(0, 400), st.integers(0, 999), st.integers(0, 999), st.integers(0, 999))
def test_every_spelling_of_a_duration_is_written_in_one_form(days: int, hours: int, minutes: int, seconds: int) -> None:
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    spelling = f"P{days}DT{hours}H{minutes}M{seconds}S"
    if duration:
        assert parse_duration(spelling) == duration
        assert format_duration(parse_duration(spelling)) == format_duration(duration)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert timedelta(0) < parse_duration(text) <= LONGEST_DURATION


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("PT2H", "PT2H"),
        ("PT90M", "PT1H30M"),
        ("PT1S", "PT1S"),
        ("P14D", "P14D"),
        ("P2W", "P14D"),
        ("PT24H", "P1D"),
        ("PT36H", "P1DT12H"),
        ("PT3600S", "PT1H"),
    ],
)
def test_the_canonical_form_names_only_what_is_not_zero(text: str, canonical: str) -> None:
    assert format_duration(parse_duration(text)) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "2h", "7200", "PT2", "P1Y", "P1M", "PT0S", "P0D", "-PT1H", "PT-1H", "PT0.5S", "PT1H2H",
     "pt2h", " PT2H", "PT2H\n", "P36501D", "P9999999999D", "PT٢H", "P1WT1H"],
)  # fmt: skip
def test_other_forms_zero_and_endless_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@pytest.mark.parametrize("duration", [timedelta(seconds=-1), timedelta(milliseconds=1)])
def test_what_has_no_canonical_form_is_not_written(duration: timedelta) -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        format_duration(duration)
