"""How values stand in a mail. What others wrote is shown as it is, and can neither hide, nor reorder, nor forge anything."""

import textwrap
import unicodedata
from datetime import UTC, datetime, timedelta

# Joiners belong to the writing of several languages, and to emoji.
_HARMLESS = frozenset("\n\t\u200c\u200d")
# Control, format (bidirectional overrides, zero-width characters), surrogate and private characters.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
_LINE_BREAKS = str.maketrans({"\x0b": "\n", "\x0c": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n"})
LONGEST_LINE = 300
WIDTH = 76


def visible(text: str) -> str:
    """Write characters that would be invisible, or would change the order of others, as `[U+202E]`; line breaks as one kind."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_LINE_BREAKS)
    return "".join(
        char if char in _HARMLESS or unicodedata.category(char) not in _HIDDEN else f"[U+{ord(char):04X}]"
        for char in text
    )


def line(text: str, limit: int = LONGEST_LINE) -> str:
    """Put a text into one line without line breaks, of at most `limit` characters."""
    one = " ".join(visible(text).split())
    return one if len(one) <= limit else one[: limit - 1] + "…"


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
