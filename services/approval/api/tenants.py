"""Tenants, registered by the provider's operators, and their entitlement."""

from typing import Final

from fastapi import Response
from pydantic import BaseModel

from services.approval.actions.tenants import RegisterTenant, SetEntitlement, shown
from services.approval.administering import administer
from services.approval.api.members import Language
from services.approval.callers import Caller, Claimed, SignedIn
from services.approval.parts import Standing
from services.approval.store import tenants
from shared.database.pool import ACQUIRE_SECONDS
from shared.events.envelope import PROVIDER, new_id
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Email, Name, TenantId
from shared.web.idempotency import DOCUMENTED
from shared.web.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, page
from shared.web.problems import forbidden, not_found, refuses

router = Router(tags=["tenants"])

# Who of the provider's people sees all tenants.
_SEES_ALL: Final = frozenset({"operator", "manager", "auditor"})
_READERS: Final = (
    "Tenants are listed by the provider's operators, managers and auditors; a tenant's own people see theirs."
)
_OPERATORS: Final = "Tenants are registered by the provider's operators."


class FirstAdmin(Body):
    email: Email
    name: Name


class NewTenant(Body):
    """`admin` gets a one-time link by mail, and is the tenant's first global_admin."""

    id: TenantId
    name: Name
    entitled: bool
    admin: FirstAdmin


class Entitlement(Body):
    entitled: bool


class TenantView(BaseModel):
    """`enabled` says whether the lockbox is on; `settings_version` counts the changes of the settings, from 1."""

    id: str
    name: str
    entitled: bool
    enabled: bool
    settings_version: int


def _see(caller: Caller, tenant: str) -> None:
    """Refuse everybody who does not see this tenant."""
    member = caller.member
    if member.realm == PROVIDER:
        if member.roles.isdisjoint(_SEES_ALL):
            raise not_found()
    elif member.realm != tenant:
        raise not_found()
    elif not member.known_roles:
        raise forbidden(_READERS)


@router.get(
    "/v1/tenants",
    summary="The tenants that the caller sees, by id",
    response_model=Page[TenantView],
    responses=refuses({403: "`forbidden`"}),
)
async def list_tenants(caller: SignedIn, parts: Standing, cursor: Cursor = None, limit: Limit = 100) -> Response:
    member = caller.member
    if member.known_roles.isdisjoint(_SEES_ALL) if member.realm == PROVIDER else not member.known_roles:
        raise forbidden(_READERS)
    after = None if cursor is None else decode_cursor(cursor, str)[0]
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        if member.realm == PROVIDER:
            found = await tenants.listed(connection, after=after, limit=limit + 1)
        else:
            own = await tenants.find(connection, member.realm)
            found = [] if own is None or (after is not None and after >= own.tenant) else [own]
    following = encode_cursor(found[limit - 1].tenant) if len(found) > limit else None
    return answer(page([shown(one) for one in found[:limit]], following))


@router.post(
    "/v1/tenants",
    summary="Register a tenant with its first admin",
    status_code=201,
    response_model=TenantView,
    responses=refuses({403: "`forbidden`", 409: "`tenant_exists`, `already_made`"}),
    openapi_extra=DOCUMENTED,
)
async def register_tenant(
    body: NewTenant, caller: SignedIn, parts: Standing, claim: Claimed, language: Language
) -> Response:
    if caller.member.realm != PROVIDER:
        raise forbidden(_OPERATORS)
    action = RegisterTenant(
        id=body.id,
        name=body.name,
        entitled=body.entitled,
        admin_id=new_id(),
        admin_email=body.admin.email,
        admin_name=body.admin.name,
        language=language,
    )
    return await administer(parts, caller, PROVIDER, action, claim)


@router.get(
    "/v1/tenants/{tenant_id}",
    summary="One tenant",
    response_model=TenantView,
    responses=refuses({403: "`forbidden`"}),
)
async def show_tenant(tenant_id: TenantId, caller: SignedIn, parts: Standing) -> Response:
    _see(caller, tenant_id)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        tenant = await tenants.find(connection, tenant_id)
    if tenant is None:
        raise not_found()
    return answer(shown(tenant))


@router.put(
    "/v1/tenants/{tenant_id}/entitlement",
    summary="Say whether a tenant may switch its lockbox on; it is never switched off by this",
    response_model=TenantView,
    responses=refuses({403: "`forbidden`"}),
)
async def set_entitlement(tenant_id: TenantId, body: Entitlement, caller: SignedIn, parts: Standing) -> Response:
    _see(caller, tenant_id)
    action = SetEntitlement(entitled=body.entitled)
    return await administer(parts, caller, tenant_id, action, from_outside=True)
