"""Says what is wrong with an input in words for the person who sent it: one message, which names the remedy."""

from collections.abc import Mapping
from typing import Any

_WORDS: Mapping[str, str] = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "bytes_type": "must be a text",
    "date_from_datetime_parsing": "must be a date like 2026-11-24",
    "date_parsing": "must be a date like 2026-11-24",
    "date_type": "must be a date like 2026-11-24",
    "dict_type": "must be an object: {...}",
    "enum": "must be one of {expected}",
    "extra_forbidden": "is not known here: remove it, or correct its name",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_type": "must be a whole number",
    "json_invalid": "must be valid JSON",
    "json_type": "must be valid JSON",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list: [...]",
    "literal_error": "must be one of {expected}",
    "mapping_type": "must be an object: {...}",
    "missing": "is required: add it",
    "model_attributes_type": "must be an object: {...}",
    "model_type": "must be an object: {...}",
    "none_required": "must be null, or left out",
    "path_type": "must be a path of a file",
    "set_type": "must be a list: [...]",
    "string_pattern_mismatch": "must match {pattern}",
    "string_sub_type": "must be a text in double quotes",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be a text in double quotes",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "tuple_type": "must be a list: [...]",
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "must name its kind",
}

# pydantic counts a secret's characters as it counts a list's entries.
_OF_SECRETS: Mapping[str, str] = {
    "too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} characters",
}


def in_words(error: Mapping[str, Any]) -> str:
    """Give the message for one error as pydantic reports it (an entry of `errors()`).

    What our own validators say (the text of a ValueError or AssertionError) is passed on as it is.
    """
    context: Mapping[str, Any] = error.get("ctx") or {}
    if error["type"] in {"value_error", "assertion_error"}:
        return str(context.get("error", "is not valid"))
    words = _OF_SECRETS.get(error["type"]) if isinstance(error.get("input"), str) else None
    words = words or _WORDS.get(error["type"], "is not valid: its form stands in /openapi.json")
    for name, value in context.items():
        words = words.replace("{" + name + "}", str(value))
    return words
