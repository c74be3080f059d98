"""How values stand in a mail. What others wrote is shown as it is, and can neither hide, nor reorder, nor forge anything."""

import unicodedata

# Joiners belong to the writing of several languages, and to emoji.
_HARMLESS = frozenset("\n\t\u200c\u200d")
# Control, format (bidirectional overrides, zero-width characters), surrogate and private characters.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co"})
_LINE_BREAKS = str.maketrans({"\x0b": "\n", "\x0c": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n"})
LONGEST_LINE = 300


def visible(text: str) -> str:
    """Write characters that would be invisible, or would change the order of others, as `[U+202E]`; line breaks as one kind."""
    return revealed(text.replace("\r\n", "\n").replace("\r", "\n").translate(_LINE_BREAKS))


def revealed(text: str) -> str:
    """Write characters that would be invisible, or would change the order of others, as `[U+202E]`."""
    return "".join(
        char if char in _HARMLESS or unicodedata.category(char) not in _HIDDEN else f"[U+{ord(char):04X}]"
        for char in text
    )


def line(text: str, limit: int = LONGEST_LINE) -> str:
    """Put a text into one line without line breaks, of at most `limit` characters."""
    one = " ".join(visible(text).split())
    return one if len(one) <= limit else one[: limit - 1] + "…"
