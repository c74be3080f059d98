"""The log: events, and requests as it tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lockbox.client.reading import Thing, named, read
from lockbox.client.things.requests import Request, Resource


@dataclass(frozen=True, kw_only=True)
class Event(Thing):
    """An event of the log.

    `raw` is the CloudEvent with `leafindex` and `logorigin`; its exact bytes are read by `log.event_bytes`. `cursor`, where it
    came from a stream, is where reading goes on after it.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    tenant: str = named("tenantid")
    actor_id: str = named("actorid")
    actor_type: str = named("actortype")
    leaf_index: int = named("leafindex")
    log_origin: str = named("logorigin")
    correlation_id: str | None = field(default=None, metadata={"named": "correlationid"})
    data: Mapping[str, Any]
    cursor: str | None = None


def event_of(value: object, cursor: str | None = None) -> Event:
    """Read an event as a stream has it."""
    event = read(Event, value)
    return event if cursor is None else replace(event, cursor=cursor)


@dataclass(frozen=True, kw_only=True)
class LastEvent(Thing):
    id: str
    type: str
    time: datetime


@dataclass(frozen=True, kw_only=True)
class ListedRequest(Request):
    """A request as the log tells it."""

    last_event: LastEvent


@dataclass(frozen=True, kw_only=True)
class Use(Thing):
    id: str
    operations: tuple[str, ...]
    actions: int


@dataclass(frozen=True, kw_only=True)
class Comparison(Thing):
    """What was approved against what was done."""

    approved: tuple[Resource, ...]
    used: tuple[Use, ...]
    used_total: int
    unused: tuple[Resource, ...]
    refused: int


@dataclass(frozen=True, kw_only=True)
class RequestHistory(ListedRequest):
    """A request with its events (their first page) and with what was approved against what was done."""

    comparison: Comparison
    events: tuple[Event, ...]
    next_cursor: str | None = None
