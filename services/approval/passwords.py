"""Which passwords nobody may choose: short ones, common ones, and what anybody would guess of this person first."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from services.approval.domain.refusals import Invalid

# NIST SP 800-63B, 5.1.1.2: a long one of any kind, and none that others try first.
SHORTEST: Final = 12
_COMMON = "is too common: choose several words that do not belong together, or let a password manager make one"
_OWN = "is made of your name, address or organisation: choose something that nobody connects with you"
# What fingers run along: digits, letters, the rows of keyboards.
_RUNS: Final = (
    "1234567890" * 3,
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)
# Shorter ones say nothing: what is left between digits by chance is no word.
_SHORTEST_WORD: Final = 3


@cache
def _common() -> frozenset[str]:
    return frozenset(word.casefold() for words in FREQUENCY_LISTS.values() for word in words)


def check_new_password(password: str, *, email: str, name: str, realm: str = "", field: str = "password") -> None:
    """Refuse a password that is too short or that is guessed first. `field` is what the caller's body calls it.

    Raises Invalid, in words for whoever chose it.
    """
    if len(password) < SHORTEST:
        raise Invalid((field, f"must have at least {SHORTEST} characters"))
    folded = unicodedata.normalize("NFKC", password).casefold()
    if any(_is_common(form) for form in _forms(folded)):
        raise Invalid((field, _COMMON))
    if _is_own(folded, email=email, name=name, realm=realm):
        raise Invalid((field, _OWN))


def _forms(password: str) -> Iterator[str]:
    """Give what is compared: the password, what digits and punctuation surround, and what a repetition repeats."""
    core = _letters_at_ends(password)
    for form in (password, core):
        yield form
        # A text that is a repetition is found within its double before its end, at the length of what it repeats.
        period = (form * 2).find(form, 1)
        if 0 < period < len(form):
            yield form[:period]
            yield _letters_at_ends(form[:period])


def _letters_at_ends(text: str) -> str:
    letters = [position for position, character in enumerate(text) if character.isalpha()]
    return text[letters[0] : letters[-1] + 1] if letters else ""


def _is_common(form: str) -> bool:
    if not form:
        return False
    if any(form in run or form in run[::-1] for run in _RUNS) or len(set(form)) == 1:
        return True
    return len(form) >= _SHORTEST_WORD and form in _common()


def _is_own(password: str, *, email: str, name: str, realm: str) -> bool:
    """Say whether nothing but digits and punctuation is left once the person's own words are taken out."""
    words = re.findall(r"[^\W\d_]+", f"{email} {name} {realm} lockbox".casefold())
    left = "".join(character for character in password if character.isalpha())
    if not left:
        return False
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _SHORTEST_WORD:
            left = left.replace(word, "")
    return not left
