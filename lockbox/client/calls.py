"""One call of a service, described: what is sent, where, whether it may be sent again, and how its answer is read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote

from lockbox.client.errors import NotPossible, UnexpectedAnswer
from lockbox.client.formats import format_duration, format_instant
from lockbox.client.reading import Page, read, read_page

T_co = TypeVar("T_co", covariant=True)
Kind = TypeVar("Kind")
Service = Literal["request_api", "approval", "audit"]
Place = Literal["request_api", "approval", "audit", "own"]
"""Where a call goes; `own`: request_api for the provider's people, approval for a tenant's, who know their requests first."""

SAFE: Final = frozenset({"GET", "HEAD"})
_SHOWN: Final = 200


@dataclass(frozen=True)
class Reply:
    """What a service answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """Give the body as JSON. Raises UnexpectedAnswer."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            kind = self.headers.get("content-type", "nothing")[:_SHOWN]
            raise UnexpectedAnswer(
                f"the answer is not JSON but {kind}: is the address right?", status=self.status
            ) from None


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """`keyed`: the route takes an Idempotency-Key, and gets a fresh one. `bearer` stands in for the session's token."""

    method: str
    place: Place
    path: str
    read: Callable[[Reply], T_co]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    keyed: bool = False
    key: str | None = None
    anonymous: bool = False
    bearer: str | None = field(default=None, repr=False)

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does it once."""
        return self.method in SAFE or self.keyed

    def after(self, cursor: str) -> Call[T_co]:
        """Give the call for the page behind a cursor."""
        return dataclasses.replace(self, query={**self.query, "cursor": cursor})


def path(template: str, *parts: str) -> str:
    """Fill the `{}` of a template; a part with a slash in it stays one part. Raises NotPossible for one that leads elsewhere."""
    if any(part in {"", ".", ".."} for part in parts):
        raise NotPossible("an id, address or name is empty, or dots alone")
    return template.format(*(quote(part, safe="@") for part in parts))


def given(**values: Any) -> dict[str, Any]:
    """Give the values that are not None, in the services' forms."""
    return {name: plain(value) for name, value in values.items() if value is not None}


def plain(value: Any) -> Any:
    """Give a value as JSON has it."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [plain(one) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (one.name for one in dataclasses.fields(value) if one.name != "raw")
        return {name: plain(getattr(value, name)) for name in fields}
    return value


def as_(kind: type[Kind]) -> Callable[[Reply], Kind]:
    """Read the answer as one thing."""
    return lambda reply: read(kind, reply.json)


def pages_of(kind: type[Kind], items: str = "items") -> Callable[[Reply], Page[Kind]]:
    """Read the answer as a page of things."""
    return lambda reply: read_page(kind, reply.json, items=items)


def nothing(reply: Reply) -> None:
    """Expect no content."""
    if reply.content and reply.status != HTTPStatus.OK:
        raise UnexpectedAnswer("the answer holds something where nothing was expected", status=reply.status)
