"""The log: its events in order, and the history of requests as it tells it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from lockbox.client.calls import Call, Reply, as_, given, pages_of, path
from lockbox.client.groups import Group, Listing, Mode, Operation
from lockbox.client.reading import Page, read_page
from lockbox.client.things.history import Event, ListedRequest, RequestHistory

# No event has it as its subject, so a page of it holds nothing, and its cursor is at the end.
_NOBODY: Final = "0"


def _events(
    *,
    after: str | None = None,
    limit: int | None = None,
    wait: int | None = None,
    tenant: str | None = None,
    types: Collection[str] = (),
    subject: str | None = None,
    since: datetime | None = None,
) -> Call[Page[Event]]:
    """Read the log in its order, after a cursor; `wait` is in seconds. A page always has a cursor to go on from."""
    query = given(
        after=after, limit=limit, wait=wait, tenant=tenant, type=list(types) or None, subject=subject, since=since
    )
    return Call("GET", "audit", "/v1/events", pages_of(Event, "events"), query=query)


def end_of_log(tenant: str | None = None) -> Call[str | None]:
    """Read the cursor behind the newest event."""

    def cursor(reply: Reply) -> str | None:
        return read_page(Event, reply.json, items="events").next_cursor

    query = given(limit=1, subject=_NOBODY, tenant=tenant)
    return Call("GET", "audit", "/v1/events", cursor, query=query)


def _more(call: Call[Page[Any]], page: Page[Any]) -> Call[Page[Any]] | None:
    if not page.items or page.next_cursor is None:
        return None
    return Call("GET", call.place, call.path, call.read, query={**call.query, "after": page.next_cursor})


def _event(event_id: str) -> Call[Event]:
    """Read one event."""
    return Call("GET", "audit", path("/v1/events/{}", event_id), as_(Event))


def _bytes(event_id: str) -> Call[bytes]:
    """Read the exact bytes of an event, as they were published and are hashed."""
    return Call("GET", "audit", path("/v1/events/{}/bytes", event_id), lambda reply: reply.content)


def _requests(
    *,
    tenant: str | None = None,
    state: str | None = None,
    engineer: str | None = None,
    approver: str | None = None,
    service: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Call[Page[ListedRequest]]:
    """List requests as the log tells them, the newest first; `since` and `until` are about the submission."""
    query = given(
        tenant=tenant,
        state=state,
        engineer=engineer,
        approver=approver,
        service=service,
        since=since,
        until=until,
        cursor=cursor,
        limit=limit,
    )
    return Call("GET", "audit", "/v1/requests", pages_of(ListedRequest), query=query)


def _request(request_id: str, *, cursor: str | None = None, limit: int | None = None) -> Call[RequestHistory]:
    """Read a request with its events and with what was approved against what was done."""
    where = path("/v1/requests/{}", request_id)
    return Call("GET", "audit", where, as_(RequestHistory), query=given(cursor=cursor, limit=limit))


def _events_of(request_id: str, *, limit: int | None = None) -> Call[Page[Event]]:
    """Read all events of a request."""
    where = path("/v1/requests/{}", request_id)
    return Call("GET", "audit", where, pages_of(Event, "events"), query=given(limit=limit))


class Log(Group[Mode]):
    """The audit log. Following it as it grows is `client.follow`."""

    events = Listing(_events, _more)
    page = Operation(_events)
    end = Operation(end_of_log)
    event = Operation(_event)
    event_bytes = Operation(_bytes)
    requests = Listing(_requests)
    requests_page = Operation(_requests)
    request = Operation(_request)
    events_of = Listing(_events_of)
