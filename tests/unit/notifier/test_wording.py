"""How what others wrote stands in a mail: nothing hides, reorders or forges."""

import unicodedata
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.wording import instant, length, quoted
from shared.mail.text import line, visible


def test_a_right_to_left_override_is_shown_by_its_number() -> None:
    assert visible("invoice\u202egnp.exe") == "invoice[U+202E]gnp.exe"


def test_control_and_zero_width_characters_are_shown_by_their_numbers() -> None:
    assert visible("a\x00b\x1bc\u200bd\ufeffe") == "a[U+0000]b[U+001B]c[U+200B]d[U+FEFF]e"


def test_joiners_and_other_scripts_stay_as_they_are() -> None:
    text = "می\u200cخواهم 👩\u200d💻 Grüße"
    assert visible(text) == text


def test_every_kind_of_line_break_ends_in_one_line() -> None:
    assert line("a\r\nb\rc\nd\u2028e\u2029f\x85g\x0bh\ti") == "a b c d e f g h i"


def test_a_long_line_is_cut() -> None:
    assert line("x" * 500, 10) == "x" * 9 + "…"


def test_each_line_of_somebodys_text_stands_behind_a_bar() -> None:
    assert quoted("Please\n\n-- \nLockbox: approved") == "  | Please\n  |\n  | --\n  | Lockbox: approved"


def test_a_long_address_is_not_broken_over_lines() -> None:
    address = "https://example.com/" + "x" * 200
    assert f"  | {address}" in quoted("see " + address).split("\n")


def test_durations_and_instants_are_written_for_people() -> None:
    assert length(timedelta(hours=1, minutes=30)) == "1 hour 30 minutes"
    assert length(timedelta(seconds=1)) == "1 second"
    assert length(timedelta(days=14)) == "14 days"
    assert instant(datetime(2026, 11, 5, 9, 8, 7, tzinfo=UTC)) == "5 November 2026, 09:08:07 UTC"


@given(st.text())
def test_nothing_invisible_is_left_of_any_text(text: str) -> None:
    left = {unicodedata.category(char) for char in visible(text) if char not in "\n\t\u200c\u200d"}
    assert not left & {"Cc", "Cf", "Cs", "Co"}
    assert "\n" not in line(text)
    assert all(row.startswith("  |") for row in quoted(text).split("\n"))
