"""What the API refuses in settings, in the words and at the fields of the portal's form."""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.approval.portal.settings_form import at_field
from services.approval.portal.words import N_, Words
from shared.web.problems import Problem

_RANGE: Final = re.compile(r"must be from (P\S+) to (P\S+)")
_PEOPLE: Final = re.compile(r"must be from 1 to ([0-9]+),")
_NO_ADDRESS: Final = N_("%(address)s is no e-mail address. Write one like soc@example.com on each line.")
_BETWEEN: Final = N_("This must be from %(least)s to %(most)s.")
_DECIDERS: Final = N_("This must be from 1 to %(most)s: so many people may decide.")
_TWICE: Final = N_("The same stands here twice: remove one of the two.")


def in_words(problem: Problem, fields: Mapping[str, str], wanted: Mapping[str, Any], words: Words) -> Problem:
    """Give the same refusal for the form's reader; what has no words of ours stays as the API says it."""
    errors = [(at_field(field, fields), _said(field, message, wanted, words)) for field, message in problem.errors]
    return Problem(problem.status, problem.code, problem.detail, errors=errors)


def _said(field: str, message: str, wanted: Mapping[str, Any], words: Words) -> str:
    if found := _RANGE.match(message):
        return words.gettext(_BETWEEN, least=words.duration(found[1]), most=words.duration(found[2]))
    if found := _PEOPLE.match(message):
        return words.gettext(_DECIDERS, most=found[1])
    if message.startswith("must not name the same twice"):
        return words.gettext(_TWICE)
    name, _, position = field.partition(".")
    if name == "notify" and position.isdecimal() and int(position) < len(wanted["notify"]):
        return words.gettext(_NO_ADDRESS, address=wanted["notify"][int(position)])
    return message
