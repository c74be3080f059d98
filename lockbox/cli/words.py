"""Values as people read them, and other people's text made harmless for a terminal."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final

from lockbox.client.things.requests import Resource

# Needed inside words of some scripts, and harmless.
_JOINERS: Final = frozenset({"\u200c", "\u200d"})
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def clean(text: object, *, lines: bool = False) -> str:
    r"""Show what would steer a terminal, or hide or turn round text, as an escape: `\x1b`, `\u202e`.

    `lines` keeps line breaks.
    """
    return "".join(_shown(one, lines=lines) for one in str(text))


def _shown(character: str, *, lines: bool) -> str:
    if character == "\n":
        return "\n" if lines else " "
    if character == "\t":
        return " "
    if unicodedata.category(character) not in _UNSEEN or character in _JOINERS:
        return character
    number = ord(character)
    if number <= 0xFF:  # noqa: PLR2004 - What two hex digits hold.
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - What four hold.


def a_time(moment: datetime | None) -> str:
    """Write an instant in local time, with UTC beside it where that differs."""
    if moment is None:
        return "-"
    local, universal = moment.astimezone(), moment.astimezone(UTC)
    if not local.utcoffset():
        return f"{universal:%Y-%m-%d %H:%M:%S} UTC"
    beside = f"{universal:%H:%M}" if local.date() == universal.date() else f"{universal:%Y-%m-%d %H:%M}"
    return f"{local:%Y-%m-%d %H:%M:%S} ({beside} UTC)"


def a_duration(value: timedelta) -> str:
    """Write a duration in its two largest units."""
    seconds = int(abs(value.total_seconds()))
    parts = []
    for size, unit in _UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def from_now(moment: datetime | None) -> str:
    """Say how far away an instant is."""
    if moment is None:
        return "-"
    away = moment - datetime.now(UTC)
    return f"in {a_duration(away)}" if away > timedelta() else f"{a_duration(away)} ago"


def of_resources(resources: tuple[Resource, ...]) -> str:
    """Write what is asked for or granted, one resource a line."""
    return "\n".join(f"{clean(one.id)}  {', '.join(clean(name) for name in one.operations)}" for one in resources)
