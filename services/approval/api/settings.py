"""A tenant's settings: its own people alone read and change them."""

from typing import Annotated, Final, Literal

from fastapi import Response
from pydantic import Field

from services.approval.actions.settings import ChangeSettings
from services.approval.administering import administer
from services.approval.api.changes import ChangeView
from services.approval.callers import Caller, SignedIn
from services.approval.domain.tenants import Tenant
from services.approval.parts import Standing
from services.approval.store import tenants
from shared.database.pool import ACQUIRE_SECONDS
from shared.events.values import SecondFactor
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Duration, Email, TenantId
from shared.web.problems import forbidden, not_found, refuses

router = Router(tags=["settings"])

_READERS: Final = frozenset({"auditor"})


class ReminderBody(Body):
    left: Duration
    to: Literal["approvers", "global_admins"]


class SettingsBody(Body):
    """The answer of GET, and what PUT takes; `version` says which settings the caller has read.

    PUT without `second_factor` leaves that as it is.
    """

    enabled: bool
    decision_window: Duration
    max_duration: Duration
    approvals_required: int
    services: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)]
    notify: Annotated[list[Email], Field(max_length=200)]
    reminders: Annotated[list[ReminderBody], Field(max_length=20)]
    links_in_mail: bool
    second_factor: SecondFactor | None = None
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
async def read_settings(tenant_id: TenantId, caller: SignedIn, parts: Standing) -> Response:
    _of(caller, tenant_id, "Settings are read by a global_admin, lockbox_approver or auditor.", readers=_READERS)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        tenant = await tenants.find(connection, tenant_id)
    if tenant is None:
        raise not_found()
    return _view(tenant)


@router.put(
    "/v1/tenants/{tenant_id}/settings",
    summary="Change a tenant's settings",
    description="With more than one approval required, a change that weakens protection (the lockbox off, fewer approvals, a "
    "longer window or duration, fewer services, a weaker second factor) is put to the vote as a whole.",
    response_model=SettingsBody,
    responses={
        202: {
            "model": ChangeView,
            "description": "The change was put to the vote; asking for it is the asker's own vote.",
        },
        **refuses(
            {
                403: "`forbidden`; `not_entitled`: the lockbox cannot be switched on",
                409: "`settings_changed`: somebody else has changed them since they were read",
            }
        ),
    },
)
async def change_settings(tenant_id: TenantId, body: SettingsBody, caller: SignedIn, parts: Standing) -> Response:
    given = body.model_dump(exclude={"version"}, exclude_none=True)
    return await administer(parts, caller, tenant_id, ChangeSettings(given=given, version=body.version))
