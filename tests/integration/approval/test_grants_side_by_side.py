"""A grant begins when it was asked for or when it is approved; one that extends another, or overlaps it, lives by itself."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from shared.events.requests import RequestApproved
from tests.integration.approval.rules import ADMIN, DPO
from tests.integration.approval.system import Approval, refused, token_issued
from tests.kernel import until

MAX = "max@provider.example"


async def now(approval: Approval) -> datetime:
    found: datetime = await approval.pool.fetchval("SELECT clock_timestamp()")
    return found


async def approval_of(approval: Approval, request_id: str) -> RequestApproved:
    fact = (await approval.published(request_id))[-1].data
    assert isinstance(fact, RequestApproved)
    return fact


async def test_a_scheduled_grants_time_runs_from_its_start(approval: Approval) -> None:
    start = await now(approval) + timedelta(hours=3)
    granted = await approval.granted(starts_at=start, duration=timedelta(hours=1))
    assert granted["state"] == "approved"
    fact = await approval_of(approval, granted["id"])
    assert (fact.access_from, fact.access_until) == (start, start + timedelta(hours=1))


async def test_one_that_is_narrowed_keeps_its_start_and_loses_its_end(approval: Approval) -> None:
    start = await now(approval) + timedelta(hours=3)
    request_id = await approval.passed_on(starts_at=start, duration=timedelta(hours=2))
    await approval.done(DPO, f"/v1/requests/{request_id}/approve", {"duration": "PT15M"})
    fact = await approval_of(approval, request_id)
    assert (fact.access_from, fact.access_until) == (start, start + timedelta(minutes=15))


async def test_one_that_is_approved_after_its_start_runs_its_whole_time_from_the_approval(approval: Approval) -> None:
    start = await now(approval) + timedelta(seconds=0.2)
    request_id = await approval.passed_on(starts_at=start)

    async def begun() -> bool:
        return await now(approval) > start

    await until(begun)
    await approval.done(DPO, f"/v1/requests/{request_id}/approve")
    fact = await approval_of(approval, request_id)
    assert fact.access_from == (await approval.published(request_id))[-1].time > start
    assert fact.access_until - fact.access_from == timedelta(hours=2)


async def test_without_a_start_it_runs_from_the_approval_also_where_the_lockbox_is_off(approval: Approval) -> None:
    for scheduled in (False, True):
        start = await now(approval) + timedelta(hours=1) if scheduled else None
        request_id = await approval.submitted(starts_at=start)
        await approval.pool.execute(
            "UPDATE tenants SET settings = jsonb_set(settings, '{enabled}', 'false') WHERE tenant = 'contoso'"
        )
        try:
            await approval.done(MAX, f"/v1/requests/{request_id}/provider-approve")
        finally:
            await approval.pool.execute(
                "UPDATE tenants SET settings = jsonb_set(settings, '{enabled}', 'true') WHERE tenant = 'contoso'"
            )
        event = (await approval.published(request_id))[-1]
        assert event.data.access_from == (start or event.time)


async def test_an_extension_needs_both_decisions_anew_and_shows_what_it_extends(approval: Approval) -> None:
    first = await approval.granted()
    second = await approval.submitted(extends=first["id"])
    assert (await approval.shown(second))["state"] == "awaiting_provider"
    refused(await approval.call(DPO, "POST", f"/v1/requests/{second}/approve"), 404, "not_found")
    await approval.done(MAX, f"/v1/requests/{second}/provider-approve")
    waiting = await approval.shown(second, DPO)
    assert (waiting["state"], waiting["extends"], waiting["grant"]) == ("awaiting_customer", first["id"], None)
    # Whoever decided on the first decides on this one too, and may deny it: the first stays as it is.
    await approval.done(DPO, f"/v1/requests/{second}/deny", {"comment": "Enough is enough."})
    assert await approval.shown(first["id"]) == first


async def test_grants_that_overlap_end_each_by_itself(approval: Approval) -> None:
    revoked, withdrawn_later, kept = [await approval.granted() for _ in range(3)]
    extension = await approval.granted(extends=revoked["id"])
    for one in (revoked, kept, extension):
        await approval.hear(token_issued(one))
    await approval.done(DPO, f"/v1/grants/{revoked['grant']['id']}/revoke", {"reason": "Enough."})
    ids = [one["id"] for one in (revoked, withdrawn_later, kept, extension)]
    states = [(await approval.shown(one))["state"] for one in ids]
    assert states == ["ended", "approved", "active", "active"]
    grants = {one["grant"]["id"] for one in (revoked, withdrawn_later, kept, extension)}
    assert len(grants) == 4


async def test_two_extensions_of_one_grant_are_decided_at_once_without_waiting_in_a_circle(approval: Approval) -> None:
    first = await approval.granted()
    others = [await approval.passed_on(extends=first["id"]) for _ in range(4)]
    answers = await asyncio.gather(
        *(
            approval.call(who, "POST", f"/v1/requests/{one}/approve", {})
            for one, who in zip(others, (DPO, ADMIN, DPO, ADMIN), strict=True)
        ),
        approval.call(DPO, "POST", f"/v1/grants/{first['grant']['id']}/revoke", {"reason": "Enough."}),
    )
    assert [one.status_code for one in answers] == [200] * 5
