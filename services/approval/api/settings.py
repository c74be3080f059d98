"""A tenant's settings: its own people alone read and change them."""

from typing import Annotated, Final, Literal

from fastapi import Depends, Response
from pydantic import Field

from services.approval.callers import Caller, SignedIn, as_known_now
from services.approval.deciding import problem_for
from services.approval.domain import tenants as domain
from services.approval.domain.refusals import Refused
from services.approval.domain.tenants import Limits, Tenant
from services.approval.parts import SERVICE, Parts, parts_of
from services.approval.store import members, tenants
from shared.database.outbox import append
from shared.database.pool import ACQUIRE_SECONDS, clock, transaction
from shared.events.envelope import Actor, Draft
from shared.events.values import Settings
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Duration, Email, TenantId
from shared.web.problems import forbidden, not_found, refuses

router = Router(tags=["settings"])

_READERS: Final = frozenset({"auditor"})
_CHANGED_BY: Final = "Settings are changed by a global_admin or lockbox_approver of the tenant."


class ReminderBody(Body):
    left: Duration
    to: Literal["approvers", "global_admins"]


class SettingsBody(Body):
    """The answer of GET, and what PUT takes; `version` says which settings the caller has read."""

    enabled: bool
    decision_window: Duration
    max_duration: Duration
    approvals_required: int
    services: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)]
    notify: Annotated[list[Email], Field(max_length=200)]
    reminders: Annotated[list[ReminderBody], Field(max_length=20)]
    links_in_mail: bool
    sinks: Annotated[list[dict[str, str]], Field(max_length=20)]
    version: Annotated[int, Field(ge=1)]


def _view(tenant: Tenant) -> Response:
    return answer(tenant.settings.model_dump() | {"version": tenant.version})


def _of(caller: Caller, tenant: str, reason: str, *, readers: frozenset[str] = frozenset()) -> None:
    """Refuse everybody but who decides for the tenant, and those of its people who may read."""
    if caller.member.realm != tenant:
        raise not_found()
    if not caller.member.decides_for(tenant) and caller.member.roles.isdisjoint(readers):
        raise forbidden(reason)


@router.get(
    "/v1/tenants/{tenant_id}/settings",
    summary="A tenant's settings",
    response_model=SettingsBody,
    responses=refuses({403: "`forbidden`"}),
)
async def read_settings(tenant_id: TenantId, caller: SignedIn, parts: Annotated[Parts, Depends(parts_of)]) -> Response:
    _of(caller, tenant_id, "Settings are read by a global_admin, lockbox_approver or auditor.", readers=_READERS)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        tenant = await tenants.find(connection, tenant_id)
    if tenant is None:
        raise not_found()
    return _view(tenant)


@router.put(
    "/v1/tenants/{tenant_id}/settings",
    summary="Change a tenant's settings",
    response_model=SettingsBody,
    responses=refuses(
        {
            403: "`forbidden`; `not_entitled`: the lockbox cannot be switched on",
            409: "`settings_changed`: somebody else has changed them since they were read",
        }
    ),
)
async def change_settings(
    tenant_id: TenantId, body: SettingsBody, caller: SignedIn, parts: Annotated[Parts, Depends(parts_of)]
) -> Response:
    _of(caller, tenant_id, _CHANGED_BY)
    async with transaction(parts.pool) as connection:
        tenant = await tenants.hold(connection, tenant_id, "UPDATE")
        if tenant is None:
            raise not_found()
        await members.hold(connection, [caller.member.id])
        now = await clock(connection)
        caller = await as_known_now(connection, caller)
        _of(caller, tenant_id, _CHANGED_BY)
        limits = Limits(shortest_window=parts.settings.min_decision_window, services=parts.offered)
        by = caller.member.decider(caller.method)
        wanted = Settings.model_validate(body.model_dump(exclude={"version"}))
        try:
            facts = domain.change_settings(tenant, wanted, version=body.version, by=by, limits=limits)
        except Refused as refusal:
            raise problem_for(refusal) from None
        if facts:
            for fact in facts:
                tenant = domain.evolve(tenant, fact)
            revision = await tenants.put(connection, tenant, changes=len(facts))
            actor = Actor(caller.member.id, caller.member.acts_as)
            drafts = [
                Draft(fact, tenant=tenant_id, subject=tenant_id, actor=actor, revision=revision - len(facts) + position)
                for position, fact in enumerate(facts, 1)
            ]
            await append(connection, SERVICE, drafts, now=now)
    return _view(tenant)
