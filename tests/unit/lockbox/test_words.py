"""What people read on a terminal: nothing that others wrote may steer it, hide text, or turn it round."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockbox.cli.words import a_duration, a_time, clean


@given(st.text())
def test_nothing_that_steers_a_terminal_gets_through(text: str) -> None:
    for lines in (True, False):
        shown = clean(text, lines=lines)
        for character in shown:
            steers = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
            assert not steers or character in "\u200c\u200d" or (lines and character == "\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 日本語 🔐", "Grüße, 日本語 🔐"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\r\nb\tc", "a\\x0d b c"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("\ud800\U000e0041", "\\ud800\\U000e0041"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_text_is_shown_as_it_is_and_control_characters_by_their_number(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(hours=1, minutes=30), "1 h 30 min"),
        (timedelta(days=2, seconds=5), "2 d 5 s"),
        (timedelta(days=1, hours=2, minutes=3), "1 d 2 h"),
    ],
)
def test_a_duration_is_readable(value: timedelta, words: str) -> None:
    assert a_duration(value) == words


def test_a_time_is_told_with_utc() -> None:
    moment = datetime(2026, 11, 25, 10, tzinfo=UTC)
    assert "UTC" in a_time(moment)
    assert a_time(None) == "-"
