"""Answers into frozen dataclasses: what is new in an answer is kept in `raw` and otherwise passed over, never an error."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from lockbox.client.errors import UnexpectedAnswer
from lockbox.client.formats import parse_duration, parse_instant

T = TypeVar("T")
Item_co = TypeVar("Item_co", covariant=True)
# The member's name in the answer, where the field is called otherwise.
NAMED = "named"


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that a service answered. `raw` is all of it as it came; it may hold a secret, and is in no repr."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Item_co]):
    """One page of a list. `next_cursor` is None on the last; `warnings` are for people."""

    items: tuple[Item_co, ...]
    next_cursor: str | None = None
    warnings: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def named(name: str) -> Any:
    """Make a field that has another name in the answer."""
    return field(metadata={NAMED: name})


def hidden() -> Any:
    """Make a field that is in no repr."""
    return field(repr=False)


def read(kind: type[T], value: object) -> T:
    """Read a JSON value as a kind of thing. Raises UnexpectedAnswer, which names the place and never the value."""
    found: T = _read(kind, value, kind.__name__)
    return found


def read_page(kind: type[T], value: object, *, items: str = "items") -> Page[T]:
    """Read a page of things."""
    if not isinstance(value, Mapping) or not isinstance(value.get(items), list):
        raise _unexpected(items)
    cursor = value.get("next_cursor")
    return Page(
        items=tuple(_read(kind, one, kind.__name__) for one in value[items]),
        next_cursor=cursor if isinstance(cursor, str) else None,
        warnings=tuple(str(one) for one in value.get("warnings") or ()),
        raw=value,
    )


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(kind: Any, value: object, place: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in {types.UnionType, typing.Union}:
        return _one_of(typing.get_args(kind), value, place)
    if origin is tuple:
        if not isinstance(value, list):
            raise _unexpected(place)
        item = typing.get_args(kind)[0]
        return tuple(_read(item, one, place) for one in value)
    if origin in {Mapping, dict}:
        if not isinstance(value, Mapping):
            raise _unexpected(place)
        inner = typing.get_args(kind)[1]
        return {str(name): _read(inner, one, f"{place}.{name}") for name, one in value.items()}
    if kind is Any or kind is object:
        return value
    if dataclasses.is_dataclass(kind):
        return _thing(kind, value, place)
    return _plain(kind, value, place)


def _one_of(kinds: tuple[Any, ...], value: object, place: str) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    (kind,) = (one for one in kinds if one is not types.NoneType)
    return _read(kind, value, place)


def _thing(kind: Any, value: object, place: str) -> Any:
    if not isinstance(value, Mapping):
        raise _unexpected(place)
    hints = _hints(kind)
    given: dict[str, Any] = {}
    for one in dataclasses.fields(kind):
        if one.name == "raw":
            given["raw"] = value
            continue
        name = one.metadata.get(NAMED, one.name)
        if name in value:
            given[one.name] = _read(hints[one.name], value[name], f"{place}.{name}")
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise _unexpected(f"{place}.{name}")
    return kind(**given)


def _plain(kind: Any, value: object, place: str) -> Any:
    try:
        if kind is datetime and isinstance(value, str):
            return parse_instant(value)
        if kind is timedelta and isinstance(value, str):
            return parse_duration(value)
    except ValueError:
        raise _unexpected(place) from None
    # A bool is an int to Python, and no number to a reader.
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise _unexpected(place)


def _unexpected(place: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"the answer's {place} is missing or of another kind than expected: is this a Lockbox service of this version?"
    )
