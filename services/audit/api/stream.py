"""The log as it grows: Server-Sent Events, each with the cursor behind it as its id."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

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
from services.audit.store import events as store
from services.audit.store.events import Filters
from shared.database.faults import TRANSIENT
from shared.security.bearer import read_bearer
from shared.security.tokens import InvalidToken, KeysUnavailable
from shared.web.bodies import Router
from shared.web.paging import Cursor
from shared.web.problems import Problem, refuses

# https://html.spec.whatwg.org/multipage/server-sent-events.html
MEDIA_TYPE: Final = "text/event-stream"
PAGE: Final = 100
# Something is sent that often, so that what is between notices a living stream.
SILENCE_SECONDS: Final = 15.0

# What ends a stream that has begun: its answer cannot be taken back.
_ENDS: Final[tuple[type[BaseException], ...]] = (InvalidToken, KeysUnavailable, Problem, *TRANSIENT)

log = structlog.get_logger(__name__)
router: APIRouter = Router(tags=["events"])


@router.get(
    "/v1/events/stream",
    summary="Follow the log as Server-Sent Events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {MEDIA_TYPE: {}}, "description": "Each event with the cursor behind it as its id."},
        **refuses({403: "`forbidden`", 404: "`not_found`: no such tenant for you"}),
    },
)
async def stream_events(
    request: Request,
    audit: AuditPart,
    reader: ReaderPart,
    after: Cursor = None,
    tenant: Tenant = None,
    types: Types = None,
    subject: Subject = None,
    last_event_id: Annotated[str | None, Header(max_length=1024)] = None,
) -> Response:
    async with audit.connection() as connection:
        scope = await scope_of(connection, reader, tenant)
    # A client that comes back by itself repeats `after` in its address: what it has seen since counts.
    seen, field = (after, "after") if last_event_id is None else (last_event_id, "Last-Event-ID")
    passed = passed_by(seen, scope, field=field)
    # He is on record before the first byte.
    await audit.reading.note(reader, ())
    if seen is None:
        async with audit.connection() as connection:
            passed = await store.size(connection, scope)
    parts = _parts(audit, read_bearer(request), scope, passed, Filters(types=types, subject=subject))
    return StreamingResponse(parts, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


async def _parts(audit: Audit, token: str, scope: str | None, passed: int, filters: Filters) -> AsyncIterator[bytes]:
    """Send what is new until the reader goes away or may read no more; he can come back where he was."""
    loop = asyncio.get_running_loop()
    sent_at = loop.time()
    told = passed
    yield b": the log follows\n\n"
    try:
        while not audit.stopping.is_set():
            grown = audit.growth.now()
            # He may have lost his role or his session since the last look.
            reader = await audit.reading.admit(token)
            async with audit.connection() as connection:
                found = await store.page(connection, scope, passed, PAGE, filters)
            passed = found.passed
            if found.entries:
                await audit.reading.note(reader, {entry.tenant for entry in found.entries})
                for entry in found.entries:
                    cursor = cursor_of(scope, entry.number + 1)
                    yield b"id: " + cursor.encode() + b"\ndata: " + audit.shown(entry) + b"\n\n"
                sent_at, told = loop.time(), found.entries[-1].number + 1
            elif loop.time() - sent_at > SILENCE_SECONDS:
                # An id without data moves the reader past what his filter leaves out.
                yield b"id: " + cursor_of(scope, passed).encode() + b"\n\n" if passed > told else b":\n\n"
                sent_at, told = loop.time(), passed
            if found.whole:
                await audit.growth.wait(grown, SILENCE_SECONDS)
    except _ENDS as error:
        log.info("stream_ended", reason=repr(error))
