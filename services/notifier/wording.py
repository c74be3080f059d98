"""How values stand in a mail. What others wrote is shown as it is, and can neither hide, nor reorder, nor forge anything."""

import textwrap
from datetime import UTC, datetime, timedelta

from shared.mail.text import visible

WIDTH = 76


def quoted(text: str) -> str:
    """Set a text apart from what the mail itself says: every line of it begins with a bar."""
    wrapped = []
    for one in visible(text).strip().split("\n"):
        # Long words stay whole: an address that is broken over lines cannot be read.
        wrapped += textwrap.wrap(one, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(f"  | {one}".rstrip() for one in wrapped)


def instant(moment: datetime) -> str:
    """Write an instant for people: `25 November 2026, 11:38:24 UTC`."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M:%S} UTC"


def length(duration: timedelta) -> str:
    """Write a duration for people: `1 hour 30 minutes`."""
    seconds = round(duration.total_seconds())
    parts = []
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}" + ("s" if count > 1 else ""))
    return " ".join(parts) or "0 seconds"
