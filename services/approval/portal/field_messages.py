"""What the API says of a field, in the reader's language: those of its messages that people meet when they fill in forms."""

import re
from collections.abc import Sequence
from typing import Final

from services.approval.words import N_, Words, visible

_DURATION: Final = re.compile(r"P(?=.)(?:[0-9]+D)?(?:T(?:[0-9]+[HMS])+)?")
# The first that fits counts; its named groups fill in the words.
_SAID: Final[Sequence[tuple[re.Pattern[str], str]]] = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"must be an e-mail address", N_("This is no e-mail address. Write one like name@example.com.")),
        (r"must be from (?P<least>P\S+) to (?P<most>P[0-9A-Z]+)", N_("This must be from %(least)s to %(most)s.")),
        (r"must be from 1 to (?P<most>[0-9]+),", N_("This must be from 1 to %(most)s: so many people may decide.")),
        (r"must not name the same twice", N_("The same stands here twice: remove one of the two.")),
        (r"must have at least (?P<least>[0-9]+) characters", N_("This must have at least %(least)s characters.")),
        (r"must have at most (?P<most>[0-9]+) characters", N_("This must have at most %(most)s characters.")),
        (r"must have at most (?P<most>[0-9]+) bytes", N_("This is too long. Shorten it.")),
        (r"must not be empty", N_("Please fill this in.")),
        (r"must be another one than before", N_("This is your present password. Choose another one.")),
        (r"is too common", N_("Too many people choose this one. Take several words that do not belong together.")),
        (
            r"is made of your name",
            N_("This is made of your name, address or organisation. Choose something that nobody connects with you."),
        ),
        (r"is not accepted: (?P<why>.+)", N_("This is not accepted: %(why)s.")),
        (r"must be one line", N_("Write this on one line.")),
        (r"must be like contoso", N_("Use lower-case letters, digits and inner hyphens only, like contoso.")),
        (r"must be a tenant: provider", N_("This short name is the provider's own.")),
        (r"must be a country", N_("Choose a country.")),
        (r"is not what this secret gives now", N_("This code is not right. Check your device's clock, and enter the next one.")),
        (r"must be the six digits|must match .*\[0-9\]", N_("Enter the six digits that your authenticator app shows.")),
        (r"comes too late, or was sent before", N_("That took too long. Please begin again.")),
    )
]  # fmt: skip


def said(message: str, words: Words) -> str | None:
    """Give a message of the API's in the reader's words; None for one that has none."""
    for pattern, text in _SAID:
        if found := pattern.match(message):
            named = found.groupdict()
            return words.gettext(text, **{name: _shown(one, words) for name, one in named.items()})
    return None


def _shown(value: str, words: Words) -> str:
    return words.duration(value) if _DURATION.fullmatch(value) else visible(value)
