"""What a call at approval is about: made anew for each call, so that whoever may do it finds it undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.approval.actions.members import AssignRole
from services.approval.administering import hold, propose
from services.approval.callers import Caller
from services.approval.parts import Parts
from services.approval.store import members
from shared.database.pool import transaction
from shared.events.envelope import new_id
from tests.integration.approval.system import Approval

ADMIN: Final = "admin@contoso.example"
OPERATOR: Final = "otto@provider.example"


@dataclass(frozen=True)
class Scene:
    """The values in the path, and the body (None: none is sent)."""

    path: dict[str, str] = field(default_factory=dict)
    body: Any = None


async def nothing(_: Approval) -> Scene:
    return Scene()


async def empty(_: Approval) -> Scene:
    return Scene(body={})


async def no_password(_: Approval) -> Scene:
    return Scene({"factor_id": new_id()}, {"password": 1})


async def contoso(_: Approval) -> Scene:
    return Scene({"tenant_id": "contoso", "realm": "contoso"})


async def provider(_: Approval) -> Scene:
    return Scene({"realm": "provider"})


async def waits_for_provider(system: Approval) -> Scene:
    return Scene({"request_id": await system.submitted()}, {})


async def waits_for_provider_denied(system: Approval) -> Scene:
    return Scene({"request_id": await system.submitted()}, {"comment": "No."})


async def waits_for_customer(system: Approval) -> Scene:
    return Scene({"request_id": await system.passed_on()}, {})


async def waits_for_customer_denied(system: Approval) -> Scene:
    return Scene({"request_id": await system.passed_on()}, {"comment": "No."})


async def waits_for_customer_asked(system: Approval) -> Scene:
    return Scene({"request_id": await system.passed_on()}, {"text": "Why?"})


async def waits_for_customer_challenged(system: Approval) -> Scene:
    return Scene({"request_id": await system.passed_on()}, {"decision": "approve"})


async def granted(system: Approval) -> Scene:
    return Scene({"grant_id": (await system.granted())["grant"]["id"]}, {"reason": "Enough."})


async def settings(system: Approval) -> Scene:
    found = await system.call(ADMIN, "GET", "/v1/tenants/contoso/settings")
    return Scene({"tenant_id": "contoso"}, found.json())


async def change(system: Approval) -> Scene:
    """A change of contoso's that waits for votes."""
    return Scene({"tenant_id": "contoso", "change_id": await proposed(system)}, {})


async def proposed(system: Approval) -> str:
    """Have somebody put a change to the vote who is none of the people of the table: they have not voted yet."""
    email = (await member(system)).path["email"]
    proposer = await added(system, "contoso", "global_admin")
    await system.token(proposer)
    parts: Parts = system.app.state.parts
    async with transaction(system.pool) as connection:
        session = await connection.fetchval(
            "SELECT s.id FROM sessions s JOIN members m ON m.id = s.member_id WHERE m.email = $1", proposer
        )
        found = await members.of_session(connection, session)
        assert found is not None
        caller = Caller(found[0], str(session), found[1])
        work = await hold(connection, parts, caller, "contoso")
        assert work.tenant is not None
        two = work.tenant.settings.model_copy(update={"approvals_required": 2})
        work.tenant = replace(work.tenant, settings=two)
        view = await propose(work, AssignRole(email=email, role="auditor"))
    return str(view["id"])


async def added(system: Approval, realm: str, *roles: str) -> str:
    """Add somebody by the hands of who may; give his address."""
    email = f"m-{new_id()}@{realm}.example"
    by = OPERATOR if realm == "provider" else ADMIN
    answer = await system.call(
        by, "POST", f"/v1/tenants/{realm}/members", {"email": email, "name": "M", "roles": roles}
    )
    assert answer.status_code == 201, answer.text
    return email


async def new_member(_: Approval) -> Scene:
    return Scene({"realm": "contoso"}, {"email": f"m-{new_id()}@contoso.example", "name": "M"})


async def new_approver(_: Approval) -> Scene:
    return Scene(
        {"realm": "contoso"}, {"email": f"m-{new_id()}@contoso.example", "name": "M", "roles": ["lockbox_approver"]}
    )


async def new_engineer(_: Approval) -> Scene:
    return Scene({"realm": "provider"}, {"email": f"m-{new_id()}@provider.example", "name": "M", "roles": ["engineer"]})


async def member(system: Approval) -> Scene:
    return Scene({"realm": "contoso", "email": await added(system, "contoso")})


async def approver(system: Approval) -> Scene:
    return Scene({"realm": "contoso", "email": await added(system, "contoso", "lockbox_approver")})


async def user_admin(system: Approval) -> Scene:
    return Scene({"realm": "contoso", "email": await added(system, "contoso", "user_admin")})


async def provider_member(system: Approval) -> Scene:
    return Scene({"realm": "provider", "email": await added(system, "provider", "engineer")})


async def role(system: Approval) -> Scene:
    return Scene({"realm": "contoso", "email": await added(system, "contoso", "auditor"), "role": "lockbox_approver"})


async def auditors_role(system: Approval) -> Scene:
    return Scene({"realm": "contoso", "email": await added(system, "contoso", "auditor"), "role": "auditor"})


async def provider_role(system: Approval) -> Scene:
    return Scene({"realm": "provider", "email": await added(system, "provider", "engineer"), "role": "manager"})


async def new_tenant(_: Approval) -> Scene:
    name = f"t-{new_id()}"
    return Scene(body={"id": name, "name": "T", "entitled": True, "admin": {"email": f"a@{name}.example", "name": "A"}})


async def entitlement(_: Approval) -> Scene:
    return Scene({"tenant_id": "contoso"}, {"entitled": True})


async def new_client(_: Approval) -> Scene:
    return Scene({"realm": "contoso"}, {"name": f"c-{new_id()}", "scopes": ["audit:read"]})


async def client(system: Approval) -> Scene:
    scene = await new_client(system)
    answer = await system.call(ADMIN, "POST", "/v1/tenants/contoso/clients", scene.body)
    assert answer.status_code == 201, answer.text
    return Scene({"realm": "contoso", "client_id": answer.json()["id"]})


async def new_issuer(_: Approval) -> Scene:
    return Scene(
        {"tenant_id": "contoso"},
        {
            "issuer": f"https://{new_id()}.example",
            "name": "I",
            "client_id": "lockbox",
            "algorithm": "RS256",
            "mapping": {"approvers": "lockbox_approver"},
        },
    )


async def issuer(system: Approval) -> Scene:
    """An issuer that is in the table alone: to be taken in it would have to answer."""
    issuer_id = new_id()
    async with transaction(system.pool) as connection:
        await connection.execute(
            """INSERT INTO issuers (id, tenant, issuer, name, client_id, algorithm, group_claim, mapping, added_at)
               VALUES ($1, 'contoso', $2, 'I', 'lockbox', 'RS256', 'groups', '{}', now())""",
            issuer_id,
            f"https://{issuer_id}.example",
        )
    return Scene({"tenant_id": "contoso", "issuer_id": issuer_id})


async def others_session(_: Approval) -> Scene:
    return Scene({"session_id": new_id()})


async def others_factor(_: Approval) -> Scene:
    return Scene({"factor_id": new_id()}, {"code": "123456"})


STAGES: Final[dict[str, Callable[[Approval], Awaitable[Scene]]]] = {
    stage.__name__: stage
    for stage in (
        *(nothing, empty, no_password, contoso, provider, settings, change, granted),
        *(waits_for_provider, waits_for_provider_denied, waits_for_customer, waits_for_customer_denied),
        *(waits_for_customer_asked, waits_for_customer_challenged),
        *(new_member, new_approver, new_engineer, member, approver, user_admin, provider_member),
        *(role, auditors_role, provider_role, new_tenant, entitlement, new_client, client, new_issuer, issuer),
        *(others_session, others_factor),
    )
}
