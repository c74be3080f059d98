"""Reading requests: everybody sees what his roles let him see of them, and nothing else exists for him."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import AfterValidator, Field

from services.approval.callers import SignedIn
from services.approval.domain.people import scope_of
from services.approval.parts import Standing
from services.approval.store import requests
from services.approval.store.request_lists import Order, Position, Wanted, listed
from shared.database.pool import ACQUIRE_SECONDS, clock
from shared.lifecycle import RequestView, State
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import (
    Email,
    EventId,
    Operation,
    TenantId,
    Timestamp,
    format_timestamp,
    parse_id,
    parse_timestamp,
    whole_text,
)
from shared.web.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, page
from shared.web.problems import forbidden, invalid, not_found, refuses

router = Router(tags=["requests"])

Words = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(whole_text)]


@router.get(
    "/v1/requests",
    summary="The requests that one sees, newest first or soonest deadline first",
    response_model=Page[RequestView],
    responses=refuses(
        {403: "`forbidden`: no role that sees requests", 404: "`not_found`: `tenant` is none whose requests one sees"}
    ),
)
async def list_requests(
    caller: SignedIn,
    parts: Standing,
    state: Annotated[State | None, Query(description="Only those in this state now.")] = None,
    order: Annotated[Order, Query(description="`deadline`: the soonest end of the decision window first.")] = "newest",
    tenant: Annotated[TenantId | None, Query(description="Only this tenant's.")] = None,
    service: Annotated[Operation | None, Query(description="Only for this service.")] = None,
    engineer: Annotated[Email | None, Query(description="Only of the engineer with this address.")] = None,
    q: Annotated[
        Words | None, Query(description="Only with this in the ticket, engineer, reason or a resource.")
    ] = None,
    since: Annotated[Timestamp | None, Query(description="Only submitted at this time or later.")] = None,
    until: Annotated[Timestamp | None, Query(description="Only submitted before this time.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    scope = scope_of(caller.member)
    if scope is None:
        raise forbidden("Requests are seen by engineers, managers and auditors, and by a tenant's people with a role.")
    if scope.tenant is not None and tenant not in (None, scope.tenant):
        raise not_found()
    wanted = Wanted(
        state=state,
        tenant=tenant,
        service=service,
        engineer=engineer,
        text=None if q is None else q.lower(),
        since=since,
        until=until,
    )
    after = None if cursor is None else _position(cursor)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        now = await clock(connection)
        found = await listed(connection, scope, wanted, order=order, after=after, limit=limit + 1, now=now)
    shown = [one.view(now) for one in found[:limit]]
    more = encode_cursor(format_timestamp(shown[-1].decide_by), shown[-1].id) if len(found) > limit else None
    return answer(page(shown, more))


@router.get("/v1/requests/{request_id}", summary="One request", response_model=RequestView)
async def show_request(request_id: EventId, caller: SignedIn, parts: Standing) -> Response:
    scope = scope_of(caller.member)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        state = await requests.find(connection, request_id)
        now = await clock(connection)
    if scope is None or not scope.shows(state):
        raise not_found()
    return answer(state.view(now))


def _position(cursor: str) -> Position:
    deadline, request_id = decode_cursor(cursor, str, str)
    try:
        return parse_timestamp(deadline), parse_id(request_id)
    except ValueError:
        raise invalid(("cursor", "must be a next_cursor of this list: leave it out to begin again")) from None
