"""The log, for readers: pages of events, single ones, and their exact bytes."""

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from services.audit.api.parts import (
    Audit,
    AuditPart,
    ReaderPart,
    Subject,
    Tenant,
    Types,
    cursor_of,
    passed_by,
    scope_of,
)
from services.audit.domain.readers import Reader
from services.audit.store import events as store
from services.audit.store.events import Entry, Filters, Slice
from shared.events.envelope import CONTENT_TYPE
from shared.web.bodies import Router
from shared.web.fields import EventId, Timestamp
from shared.web.paging import Cursor, Limit
from shared.web.problems import Problem, invalid, not_found, refuses

LONGEST_WAIT: Final = 30
NDJSON: Final = "application/x-ndjson"
CURSOR_HEADER: Final = "X-Next-Cursor"

Wait = Annotated[int, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait where there is nothing new.")]
Since = Annotated[Timestamp | None, Query(description="Only events that happened at or after this time.")]
Format = Annotated[
    Literal["cloudevents", "ocsf", "cef", "m365"], Query(alias="format", description="`cloudevents` is available now.")
]


class CloudEvent(BaseModel):
    """An event, with its place in its log; the place stands outside the event's own bytes."""

    model_config = ConfigDict(extra="allow")

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    tenantid: str
    actorid: str
    actortype: str
    sequence: str
    salt: str
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
    data: dict[str, Any]
    leafindex: int
    logorigin: str


class _CloudEventResponse(Response):
    media_type = CONTENT_TYPE


class EventPage(BaseModel):
    """Events in the order of their log. `next_cursor` is always there: give it as `after`."""

    events: list[CloudEvent]
    next_cursor: str


router: APIRouter = Router(tags=["events"])


@router.get(
    "/v1/events",
    summary="Read the log in its order",
    response_model=EventPage,
    responses={
        200: {
            "description": f"With Accept: {NDJSON} one event a line, and the next cursor in the header {CURSOR_HEADER}.",
            "content": {NDJSON: {}},
        },
        **refuses({403: "`forbidden`", 404: "`not_found`: no such tenant for you", 406: "`not_acceptable`"}),
    },
)
async def list_events(
    request: Request,
    audit: AuditPart,
    reader: ReaderPart,
    after: Cursor = None,
    limit: Limit = 100,
    wait: Wait = 0,
    tenant: Tenant = None,
    types: Types = None,
    subject: Subject = None,
    since: Since = None,
    form: Format = "cloudevents",
) -> Response:
    lines = _wants_lines(request)
    if form != "cloudevents":
        raise invalid(("format", f"{form} is not available yet: use cloudevents"))
    async with audit.connection() as connection:
        scope = await scope_of(connection, reader, tenant)
    filters = Filters(types=types, subject=subject, since=since)
    found = await _wait_for(audit, scope, passed_by(after, scope, field="after"), limit, filters, wait)
    await audit.reading.note(reader, {entry.tenant for entry in found.entries})
    cursor = cursor_of(scope, found.passed)
    shown = [audit.shown(entry) for entry in found.entries]
    if lines:
        return Response(b"".join(one + b"\n" for one in shown), headers={CURSOR_HEADER: cursor}, media_type=NDJSON)
    body = b'{"events":[' + b",".join(shown) + b'],"next_cursor":"' + cursor.encode() + b'"}'
    return Response(body, media_type="application/json")


async def _wait_for(
    audit: Audit, scope: str | None, passed: int, limit: int, filters: Filters, seconds: float
) -> Slice:
    """Read a page; where it is empty, look again whenever the log grows, until the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        grown = audit.growth.now()
        async with audit.connection() as connection:
            found = await store.page(connection, scope, passed, limit, filters)
        passed = found.passed
        left = deadline - loop.time()
        if found.entries or left <= 0 or audit.stopping.is_set():
            return found
        await audit.growth.wait(grown, left)


def _wants_lines(request: Request) -> bool:
    """Say which of the two forms is asked for. Raises Problem 406 where it is neither."""
    accepted = request.headers.get("accept", "*/*").lower()
    kinds = [part.partition(";")[0].strip() for part in accepted.split(",")]
    for kind in kinds:
        if kind == NDJSON:
            return True
        if kind in ("application/json", "application/*", "*/*", ""):
            return False
    raise Problem(406, "not_acceptable", f"Answers are application/json or {NDJSON}.")


async def _one(audit: Audit, reader: Reader, event_id: str) -> Entry:
    async with audit.connection() as connection:
        entry = await store.one(connection, event_id, reader.scope)
    if entry is None:
        raise not_found()
    await audit.reading.note(reader, {entry.tenant})
    return entry


@router.get(
    "/v1/events/{event_id}",
    summary="Read one event",
    response_class=_CloudEventResponse,
    response_model=CloudEvent,
    responses=refuses({403: "`forbidden`"}),
)
async def get_event(audit: AuditPart, reader: ReaderPart, event_id: EventId) -> Response:
    return _CloudEventResponse(audit.shown(await _one(audit, reader, event_id)))


@router.get(
    "/v1/events/{event_id}/bytes",
    summary="Read the exact bytes of an event, as they were published and are hashed",
    response_class=_CloudEventResponse,
    responses=refuses({403: "`forbidden`"}),
)
async def get_bytes(audit: AuditPart, reader: ReaderPart, event_id: EventId) -> Response:
    return _CloudEventResponse((await _one(audit, reader, event_id)).body)
