"""Changes that weaken a tenant's protection, and the votes on them."""

from datetime import datetime

from fastapi import Response
from pydantic import BaseModel

from services.approval.callers import Caller, Claimed, SignedIn
from services.approval.parts import Standing
from services.approval.store import changes
from services.approval.store.changes import ShownState
from services.approval.voting import vote
from shared.database.pool import ACQUIRE_SECONDS, clock
from shared.events.tenants import Change as Changed
from shared.events.values import Person, Vote
from shared.lifecycle import Who
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, EventId, TenantId
from shared.web.idempotency import DOCUMENTED
from shared.web.paging import Cursor, Limit, Page, decode_id, encode_cursor, page
from shared.web.problems import forbidden, not_found, refuses

router = Router(tags=["changes"])

_VOTING = refuses(
    {
        403: "`forbidden`: approvers and global admins vote",
        409: "`already_voted`; `change_closed`: it was carried out, rejected, void, or its time is over",
    }
)


class VoteView(BaseModel):
    by: Who
    vote: Vote
    at: datetime


class ChangeView(BaseModel):
    """`changes` are those of settings; `member` and `roles` say whose roles or credentials it is about, `issuer` whose word.

    `state` is `carried` once enough people agree, `rejected` after one denial (the proposer's own takes it back), `void`
    where it could not be carried out any more, and `expired` when its time is over. `votes` holds the proposer's.
    """

    id: str
    tenant: str
    kind: str
    state: ShownState
    changes: dict[str, Changed]
    member: Person | None
    roles: list[str]
    issuer: str | None
    proposed_by: Who
    proposed_at: datetime
    expires_at: datetime
    approvals_required: int
    votes: list[VoteView]
    settled_at: datetime | None


class NoWords(Body):
    """A vote says nothing but what it is."""


@router.get(
    "/v1/tenants/{tenant_id}/changes",
    summary="A tenant's proposed changes, newest first",
    response_model=Page[ChangeView],
    responses=refuses({403: "`forbidden`: no role in the tenant"}),
)
async def list_changes(
    tenant_id: TenantId,
    caller: SignedIn,
    parts: Standing,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    _reader(caller, tenant_id)
    before = None if cursor is None else decode_id(cursor)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await changes.newest(connection, tenant_id, before=before, limit=limit + 1)
        now = await clock(connection)
        shown = await changes.views(connection, found[:limit], now)
    return answer(page(shown, encode_cursor(found[limit - 1].id) if len(found) > limit else None))


@router.get("/v1/tenants/{tenant_id}/changes/{change_id}", summary="One proposed change", response_model=ChangeView)
async def show_change(tenant_id: TenantId, change_id: EventId, caller: SignedIn, parts: Standing) -> Response:
    if caller.member.realm != tenant_id or not caller.member.known_roles:
        raise not_found()
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await changes.find(connection, tenant_id, change_id)
        if found is None:
            raise not_found()
        shown = await changes.view(connection, found, await clock(connection))
    return answer(shown)


@router.post(
    "/v1/tenants/{tenant_id}/changes/{change_id}/approve",
    summary="Agree to a proposed change; the last vote that it takes carries it out",
    response_model=ChangeView,
    responses=_VOTING,
    openapi_extra=dict(DOCUMENTED),
)
async def approve_change(
    tenant_id: TenantId,
    change_id: EventId,
    caller: SignedIn,
    claim: Claimed,
    parts: Standing,
    _: NoWords | None = None,
) -> Response:
    return await vote(parts, caller, tenant_id, change_id, "approve", claim)


@router.post(
    "/v1/tenants/{tenant_id}/changes/{change_id}/deny",
    summary="Reject a proposed change; its proposer takes it back",
    response_model=ChangeView,
    responses=_VOTING,
    openapi_extra=dict(DOCUMENTED),
)
async def deny_change(
    tenant_id: TenantId,
    change_id: EventId,
    caller: SignedIn,
    claim: Claimed,
    parts: Standing,
    _: NoWords | None = None,
) -> Response:
    return await vote(parts, caller, tenant_id, change_id, "deny", claim)


def _reader(caller: Caller, tenant: str) -> None:
    if caller.member.realm != tenant:
        raise not_found()
    if not caller.member.known_roles:
        raise forbidden("Changes are read by people with a role in the tenant.")
