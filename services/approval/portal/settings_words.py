"""What the API refuses in settings, at the fields of the portal's form."""

from collections.abc import Mapping
from typing import Any, Final

from services.approval.portal.settings_form import at_field
from services.approval.words import N_, Words
from shared.web.problems import Problem

_NO_ADDRESS: Final = N_("%(address)s is no e-mail address. Write one like soc@example.com on each line.")


def in_words(problem: Problem, fields: Mapping[str, str], wanted: Mapping[str, Any], words: Words) -> Problem:
    """Give the same refusal for the form's reader."""
    errors = [(at_field(field, fields), _said(field, message, wanted, words)) for field, message in problem.errors]
    return Problem(problem.status, problem.code, problem.detail, errors=errors)


def _said(field: str, message: str, wanted: Mapping[str, Any], words: Words) -> str:
    name, _, position = field.partition(".")
    if name == "notify" and position.isdecimal() and int(position) < len(wanted["notify"]):
        return words.gettext(_NO_ADDRESS, address=wanted["notify"][int(position)])
    return message
