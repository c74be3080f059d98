"""The languages of portal and mails: which one a reader wants, its messages, and how values stand in it."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from babel.units import format_unit

from shared.mail.text import revealed
from shared.web.fields import parse_duration, parse_timestamp

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "de": "Deutsch"}
"""The languages, each by its own name. The messages in the source are English."""
DEFAULT: Final = "en"
DOMAIN: Final = "lockbox"
FOLDER: Final = Path(__file__).parent / "portal" / "locale"

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_MOST_WANTED: Final = 20


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it.
    """Mark a message for translation where it is written down, long before anybody's language is known."""
    return message


def visible(text: str) -> str:
    """Write characters that would be invisible, or would change the order of others, as `[U+202E]`."""
    return revealed(text.replace("\r\n", "\n").replace("\r", "\n"))


def wanted(accept_language: str) -> str:
    """Choose the language by a browser's `Accept-Language` (RFC 9110, 12.5.4); English where it names none of ours."""
    found: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept_language.split(",")[:_MOST_WANTED]):
        tag, _, parameter = part.strip().partition(";")
        weight = parameter.strip().removeprefix("q=") if parameter else "1"
        language = tag.partition("-")[0].strip().lower()
        try:
            value = float(weight)
        except ValueError:
            continue
        if language in LANGUAGES and 0 < value <= 1:
            found.append((-value, position, language))
    return min(found)[2] if found else DEFAULT


@lru_cache
def translations(language: str) -> NullTranslations:
    """Read a language's messages from its catalogue, as it is committed: nothing is compiled beforehand."""
    path = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if language == DEFAULT:
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled, DOMAIN)


@dataclass(frozen=True, slots=True)
class Words:
    """One language: `_` and `ngettext` translate, the rest writes values for people."""

    language: str

    @property
    def locale(self) -> Locale:
        return Locale.parse(self.language)

    def gettext(self, message: str, **values: object) -> str:
        """Translate a message, and fill in its `%(name)s`."""
        found = str(translations(self.language).ugettext(message))
        return found % values if values else found

    def ngettext(self, one: str, many: str, count: int, **values: object) -> str:
        """Translate a message that counts something, `%(num)s`."""
        return str(translations(self.language).ungettext(one, many, count)) % ({"num": count} | values)

    @property
    def _(self) -> Callable[..., str]:
        return self.gettext

    def instant(self, moment: datetime | str) -> str:
        """Write an instant: `25 November 2026 at 11:38 UTC`."""
        moment = as_instant(moment).astimezone(UTC)
        return f"{format_datetime(moment, self._long, locale=self.language)} UTC"

    @property
    def _long(self) -> str:
        return "d. MMMM y, HH:mm" if self.language == "de" else "d MMMM y, HH:mm"

    def duration(self, length: timedelta | str) -> str:
        """Write a duration: `1 hour 30 minutes`."""
        if isinstance(length, str):
            length = timedelta(0) if length == "PT0S" else parse_duration(length)
        seconds = max(0, round(length.total_seconds()))
        parts = []
        for unit, size in _UNITS:
            count, seconds = divmod(seconds, size)
            if count:
                parts.append(format_unit(count, f"duration-{unit}", "long", locale=self.language))
        return " ".join(parts) or format_unit(0, "duration-second", "long", locale=self.language)

    def remaining(self, until: datetime | str, now: datetime) -> str:
        """Write how long it is until an instant, in the two greatest units that count: `3 hours 12 minutes`."""
        seconds = max(0, int((as_instant(until) - now).total_seconds()))
        coarse = 3_600 if seconds >= 86_400 else 60 if seconds >= 60 else 1  # noqa: PLR2004 - A day, a minute.
        return self.duration(timedelta(seconds=seconds - seconds % coarse))

    def country(self, code: str | None) -> str:
        """Name a country by its two letters (ISO 3166-1); what is none is shown as it is."""
        return str(self.locale.territories.get((code or "").upper(), visible(code or "")))

    def number(self, value: int) -> str:
        return str(format_decimal(value, locale=self.language))


def as_instant(moment: datetime | str) -> datetime:
    """Read an instant as the API writes it."""
    return parse_timestamp(moment) if isinstance(moment, str) else moment
