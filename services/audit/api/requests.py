"""The history of requests: lists of them, and each with every event and with what was approved against what was done."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.audit.api.events import CloudEvent
from services.audit.api.parts import AuditPart, ReaderPart, Tenant, cursor_of, passed_by, scope_of
from services.audit.domain.comparison import compare
from services.audit.store import events as event_store
from services.audit.store import requests as store
from services.audit.store.events import Filters
from services.audit.store.requests import Wanted
from shared.database.pool import clock
from shared.events.values import Resource
from shared.lifecycle import RequestView, State
from shared.web.answers import answer, to_json
from shared.web.bodies import Router
from shared.web.fields import Email, EventId, Timestamp, format_timestamp, parse_timestamp
from shared.web.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, page
from shared.web.problems import invalid, not_found, refuses


class LastEvent(BaseModel):
    """The newest event of the request's own life (actions not counted)."""

    id: str
    type: str
    time: Timestamp


class ListedRequest(RequestView):
    last_event: LastEvent


class Use(BaseModel):
    """What was done with a resource, and how often."""

    id: str
    operations: list[str]
    actions: int


class Comparison(BaseModel):
    """What was approved against what was done. `used` shows at most 1,000 of the `used_total` resources."""

    approved: list[Resource]
    used: list[Use]
    used_total: int
    unused: list[Resource]
    refused: int


class RequestHistory(ListedRequest):
    """`next_cursor` is null on the last page of the request's events."""

    comparison: Comparison
    events: list[CloudEvent]
    next_cursor: str | None


router: APIRouter = Router(tags=["requests"])


@router.get(
    "/v1/requests",
    summary="List requests, the newest first",
    response_model=Page[ListedRequest],
    responses=refuses({403: "`forbidden`", 404: "`not_found`: no such tenant for you"}),
)
async def list_requests(
    audit: AuditPart,
    reader: ReaderPart,
    tenant: Tenant = None,
    state: Annotated[State | None, Query()] = None,
    engineer: Annotated[str | None, Query(min_length=1, max_length=255, description="Id or address.")] = None,
    approver: Annotated[Email | None, Query(description="Whoever decided in either stage.")] = None,
    service: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
    since: Annotated[Timestamp | None, Query(description="Submitted at or after this time.")] = None,
    until: Annotated[Timestamp | None, Query(description="Submitted before this time.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    async with audit.connection() as connection:
        wanted = Wanted(
            tenant=await scope_of(connection, reader, tenant),
            state=state,
            engineer=engineer,
            approver=approver,
            service=service,
            since=since,
            until=until,
            before=_before(cursor),
        )
        now = await clock(connection)
        found = await store.find(connection, wanted, limit + 1, now)
    shown = found[:limit]
    await audit.reading.note(reader, {one.tenant for one in shown})
    more = encode_cursor(format_timestamp(shown[-1].submitted_at), shown[-1].request_id) if len(found) > limit else None
    items = [{**one.state.view(now).model_dump(), "last_event": one.last_event} for one in shown]
    return answer(page(items, more))


def _before(cursor: str | None) -> tuple[Any, str] | None:
    if cursor is None:
        return None
    moment, request_id = decode_cursor(cursor, str, str)
    try:
        return parse_timestamp(moment), request_id
    except ValueError:
        raise invalid(("cursor", "must be a next_cursor of this list: leave it out to begin again")) from None


@router.get(
    "/v1/requests/{request_id}",
    summary="Read one request with its events in the log's order",
    response_model=RequestHistory,
    responses=refuses({403: "`forbidden`"}),
)
async def get_request(
    audit: AuditPart, reader: ReaderPart, request_id: EventId, cursor: Cursor = None, limit: Limit = 1000
) -> Response:
    async with audit.connection() as connection:
        found = await store.get(connection, request_id, reader.scope)
        if found is None:
            raise not_found()
        passed = passed_by(cursor, found.tenant, field="cursor")
        now = await clock(connection)
        filters = Filters(correlation=request_id)
        events = await event_store.page(connection, found.tenant, passed, limit, filters)
        used, refused = await store.usage(connection, found.tenant, request_id)
    await audit.reading.note(reader, {found.tenant})
    approved = found.state.approved.resources if found.state.approved else []
    head = {
        **found.state.view(now).model_dump(),
        "last_event": found.last_event,
        "comparison": compare(approved, used, refused),
        "next_cursor": None if events.whole else cursor_of(found.tenant, events.passed),
    }
    shown = b",".join(audit.shown(entry) for entry in events.entries)
    return answer(to_json(head)[:-1] + b',"events":[' + shown + b"]}")
