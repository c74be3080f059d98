"""The portal's templates, one environment a language, with the filters by which values are written for people."""

import hashlib
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.approval.words import Words, as_instant, translations, visible
from shared.web.fields import format_timestamp

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"


@lru_cache
def environment(language: str) -> Environment:
    """Make a language's environment: everything is escaped, and a name that is not given is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]  # The extension's.
    words = Words(language)
    made.filters |= {
        "visible": visible,
        "instant": lambda moment: _time(words, moment),
        "until": lambda moment, now: _until(words, moment, now),
        "duration": words.duration,
        "country": words.country,
        "number": words.number,
    }
    made.globals["static"] = static_address
    return made


def _time(words: Words, moment: datetime | str) -> Markup:
    """Write an instant in UTC; the script adds the reader's own time."""
    machine = format_timestamp(as_instant(moment))
    return Markup('<time datetime="{}" data-local>{}</time>').format(machine, words.instant(moment))


def _until(words: Words, moment: datetime | str, now: datetime) -> Markup:
    """Write how long it is until an instant; the script counts on."""
    machine = format_timestamp(as_instant(moment))
    return Markup('<time datetime="{}" data-until>{}</time>').format(machine, words.remaining(moment, now))


@lru_cache
def static_files() -> dict[str, bytes]:
    """Read what the pages load, once."""
    return {path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file()}


def static_address(name: str) -> str:
    """Give a file's address. It changes with the contents, so browsers may keep what they have loaded for good."""
    return f"/static/{name}?v={hashlib.sha256(static_files()[name]).hexdigest()[:16]}"


def write(language: str, template: str, facts: dict[str, Any]) -> str:
    """Write a page."""
    return environment(language).get_template(template).render(facts)
