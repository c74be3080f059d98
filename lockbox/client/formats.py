"""Durations and instants: as the services write them, and durations as people do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_ISO: Final = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W|(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})S)?)?)",
    re.ASCII,
)
_SPOKEN: Final = re.compile(
    r"(?:(?P<days>\d{1,9})\s*d)?\s*(?:(?P<hours>\d{1,9})\s*h)?\s*(?:(?P<minutes>\d{1,9})\s*m(?:in)?)?\s*(?:(?P<seconds>\d{1,9})\s*s)?",
    re.ASCII,
)
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration in whole seconds (`PT1H30M`, `P1D`). Raises ValueError."""
    return _duration(_ISO.fullmatch(text), text)


def spoken_duration(text: str) -> timedelta:
    """Read a duration as a person writes it, `1h30m` or `90 min`, or in ISO 8601. Raises ValueError."""
    if text[:1] in {"P", "p"}:
        return parse_duration(text.upper())
    return _duration(_SPOKEN.fullmatch(text.strip().lower()), text)


def _duration(match: re.Match[str] | None, text: str) -> timedelta:
    parts = {} if match is None else {name: int(value) for name, value in match.groupdict().items() if value}
    if not parts:
        raise ValueError(f"{text[:40]!r} is no duration: write it like 90m, 1h30m or PT1H30M")
    try:
        return timedelta(**parts)
    except OverflowError:
        raise ValueError(f"{text[:40]!r} is too long") from None


def format_duration(value: timedelta) -> str:
    """Write a duration in ISO 8601, to the second."""
    seconds = int(value.total_seconds())
    if seconds < 0:
        raise ValueError("a duration is not negative")
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    if not days and not time:
        return "PT0S"
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "")


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 time, which carries its offset. Raises ValueError."""
    if _INSTANT.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is no time with its offset: write it like 2026-11-25T10:00:00+01:00")
    # Digits beyond the microsecond are cut off.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).upper())


def format_instant(value: datetime) -> str:
    """Write a time in UTC as RFC 3339. Raises ValueError for one without an offset."""
    if value.tzinfo is None:
        raise ValueError("a time carries its offset: give it a tzinfo")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
