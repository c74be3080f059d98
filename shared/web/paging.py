"""Lists in pages: an opaque cursor, a limit, and `{"items": [...], "next_cursor": ...}`."""

import base64
import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel

from shared.web.fields import parse_id
from shared.web.problems import invalid

LARGEST_PAGE: Final = 1000
_LONGEST_CURSOR: Final = 1024
_LARGEST_NUMBER: Final = 2**63
_NOT_OURS: Final = "must be a next_cursor of this list: leave it out to begin again"

Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many at most.")]
"""The parameter `limit`: `limit: Limit = 100`."""
Cursor = Annotated[
    str | None, Query(max_length=_LONGEST_CURSOR, description="The next_cursor of the page before; opaque.")
]
"""The parameter `cursor`: `cursor: Cursor = None`."""

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """One page of a list. `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None


def encode_cursor(*position: str | int) -> str:
    """Make a cursor of the values by which the list is ordered, as they stand in the last item of the page."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def _storable(value: str | int) -> bool:
    return "\0" not in value if isinstance(value, str) else -_LARGEST_NUMBER <= value < _LARGEST_NUMBER


def decode_cursor(cursor: str, *kinds: type[str] | type[int], field: str = "cursor") -> tuple[Any, ...]:
    """Read a cursor made of values of these kinds, in their order.

    Raises Problem 422 for anything that `encode_cursor` did not make.
    """
    position: Any = None
    if len(cursor) <= _LONGEST_CURSOR:
        with contextlib.suppress(ValueError):
            position = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    sound = isinstance(position, list) and [type(value) for value in position] == list(kinds)
    if not sound or not all(_storable(value) for value in position):
        raise invalid((field, _NOT_OURS))
    return tuple(position)


def decode_id(cursor: str) -> str:
    """Read the cursor of a list that is ordered by the ids of its things. Raises Problem 422 as `decode_cursor`."""
    (position,) = decode_cursor(cursor, str)
    try:
        return parse_id(position)
    except ValueError:
        raise invalid(("cursor", _NOT_OURS)) from None


def page(items: Sequence[Any], next_cursor: str | None) -> dict[str, Any]:
    """Give the answer's object."""
    return {"items": list(items), "next_cursor": next_cursor}
