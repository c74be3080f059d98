"""An engineer who may no longer have access loses what he was granted, by a decision of the service itself."""

from __future__ import annotations

from services.approval.store import own_decisions
from shared.database.pool import transaction
from shared.events.access import AccessRevoked
from tests.integration.approval.system import Approval, token_issued, types


async def gone(approval: Approval, email: str) -> None:
    member = await approval.member(email)
    async with transaction(approval.pool) as connection:
        await connection.execute("SELECT 1 FROM members WHERE id = $1 FOR UPDATE", member.id)
        await own_decisions.engineer_gone(connection, member.id)


async def test_every_living_grant_of_his_ends_and_no_other(approval: Approval) -> None:
    unused, used, over = await approval.granted(), await approval.granted(), await approval.granted()
    waiting = await approval.passed_on()
    await approval.hear(token_issued(used))
    await approval.done("dpo@contoso.example", f"/v1/grants/{over['grant']['id']}/revoke", {"reason": "Enough."})
    await gone(approval, "eve@provider.example")
    await approval.settle()
    for request in (unused, used):
        revoked = (await approval.published(request["id"]))[-1].data
        assert isinstance(revoked, AccessRevoked)
        assert (revoked.by, revoked.code) == (None, "engineer_without_role")
        assert (await approval.shown(request["id"]))["ended_by"] == "revoked"
    assert types(await approval.published(over["id"])).count("access.revoked") == 1
    assert (await approval.shown(waiting))["state"] == "awaiting_customer"


async def test_it_is_decided_once_however_often_it_is_asked_for(approval: Approval) -> None:
    request = await approval.granted()
    await gone(approval, "eve@provider.example")
    await gone(approval, "eve@provider.example")
    await approval.settle()
    await gone(approval, "eve@provider.example")
    await approval.settle()
    assert types(await approval.published(request["id"])).count("access.revoked") == 1


async def test_nobody_elses_grant_ends(approval: Approval) -> None:
    request = await approval.granted()
    await gone(approval, "erin@provider.example")
    await approval.settle()
    assert (await approval.shown(request["id"]))["state"] == "approved"
