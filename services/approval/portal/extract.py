"""Brings the German catalogue up to date with the messages in the source: `python -m services.approval.portal.extract`.

New messages come in without a translation, what is no longer said goes out; with --check nothing is written, and what is
missing is named.
"""

import io
import sys
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from services.approval.portal.templating import HERE
from services.approval.words import DEFAULT, DOMAIN, FOLDER, LANGUAGES

_METHODS: Final = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
_OPTIONS: Final = {"templates/**.html": {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}}
_KEYWORDS: Final = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}


def path_of(language: str) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def in_source() -> Catalog:
    """Give the messages that the source says."""
    found = Catalog(charset="utf-8")
    for _, _, message, _, _ in extract_from_dir(str(HERE), _METHODS, _OPTIONS, keywords=_KEYWORDS):
        found.add(message)
    return found


def translated(language: str) -> Catalog:
    """Read a language's catalogue; an empty one where there is none yet."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def missing(language: str) -> list[str]:
    """Give what the source says and the language does not: untranslated, unsure, or left out; and what it says for nothing."""
    said = translated(language)
    wanted = {message.id for message in in_source() if message.id}
    gaps = []
    for message in wanted:
        found = said.get(message)
        texts = (found.string if isinstance(found.string, tuple | list) else (found.string,)) if found else ()
        if not texts or not all(texts) or (found is not None and found.fuzzy):
            gaps.append(str(message))
    return sorted(
        gaps + [f"no longer said: {message.id}" for message in said if message.id and message.id not in wanted]
    )


def update(language: str) -> None:
    """Write the language's catalogue anew, with what was translated."""
    said, found = translated(language), in_source()
    made = Catalog(locale=language, charset="utf-8")
    for message in found:
        if message.id:
            known = said.get(message.id)
            made.add(message.id, known.string if known is not None and known.string else None)
    written = io.BytesIO()
    write_po(written, made, width=120, no_location=True, omit_header=True, sort_output=True)
    # A header of our own: Babel's names the day, so that it would change without reason.
    facts = {
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        "Language": language,
        "Plural-Forms": made.plural_forms,
    }
    head = "".join(f'"{name}: {value}\\n"\n' for name, value in facts.items())
    text = f'# The portal\'s messages.\nmsgid ""\nmsgstr ""\n{head}\n{written.getvalue().decode()}'
    path_of(language).write_text(text, encoding="utf-8")


def main() -> None:
    """Update all catalogues, or with --check exit 1 where something is missing."""
    others = [language for language in LANGUAGES if language != DEFAULT]
    if "--check" not in sys.argv[1:]:
        for language in others:
            update(language)
    gaps = [f"{language}: {message}" for language in others for message in missing(language)]
    sys.stdout.write("".join(f"{gap}\n" for gap in gaps))
    if gaps:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
