"""Reading requests: everybody sees what his roles let him see of them, and nothing else exists for him."""

from typing import Annotated

from fastapi import Depends, Query, Response

from services.approval.callers import SignedIn
from services.approval.domain.people import scope_of
from services.approval.parts import Parts, parts_of
from services.approval.store import requests
from shared.database.pool import ACQUIRE_SECONDS, clock
from shared.lifecycle import RequestView, State
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import EventId, parse_id
from shared.web.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, page
from shared.web.problems import forbidden, invalid, not_found, refuses

router = Router(tags=["requests"])


@router.get(
    "/v1/requests",
    summary="The requests that one sees, newest first",
    response_model=Page[RequestView],
    responses=refuses({403: "`forbidden`: no role that sees requests"}),
)
async def list_requests(
    caller: SignedIn,
    parts: Annotated[Parts, Depends(parts_of)],
    state: Annotated[State | None, Query(description="Only those in this state now.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    scope = scope_of(caller.member)
    if scope is None:
        raise forbidden("Requests are seen by engineers, managers and auditors, and by a tenant's people with a role.")
    before = None if cursor is None else _position(cursor)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        now = await clock(connection)
        found = await requests.newest(connection, scope, state=state, before=before, limit=limit + 1, now=now)
    shown = [one.view(now) for one in found[:limit]]
    return answer(page(shown, encode_cursor(shown[-1].id) if len(found) > limit else None))


@router.get("/v1/requests/{request_id}", summary="One request", response_model=RequestView)
async def show_request(request_id: EventId, caller: SignedIn, parts: Annotated[Parts, Depends(parts_of)]) -> Response:
    scope = scope_of(caller.member)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        state = await requests.find(connection, request_id)
        now = await clock(connection)
    if scope is None or not scope.shows(state):
        raise not_found()
    return answer(state.view(now))


def _position(cursor: str) -> str:
    (position,) = decode_cursor(cursor, str)
    try:
        return parse_id(position)
    except ValueError:
        raise invalid(("cursor", "must be a next_cursor of this list: leave it out to begin again")) from None
