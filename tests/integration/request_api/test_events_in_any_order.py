"""Events that come twice, shuffled, or before what they need lead to the same picture."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from services.request_api.handlers import HANDLERS, lock
from services.request_api.store import people, requests, tenants
from shared.database.outbox import append
from shared.database.pool import Pool, clock, transaction
from shared.events import tenants as said
from shared.events.envelope import Draft, Event, new_id, service_actor
from shared.events.values import Person, Settings
from shared.lifecycle import evolve
from shared.messaging.delivery import Delivery
from shared.messaging.inbox import Inbox
from shared.messaging.topology import EXCHANGE
from tests.integration.request_api.said import (
    DANA,
    by_approval,
    member_added,
    member_removed,
    registered,
    role_assigned,
    role_removed,
)
from tests.integration.request_api.world import Granted, World


def delivered(event: Event) -> Delivery:
    owner = event.source.rpartition("/")[2]
    return Delivery(event.raw, event.type, EXCHANGE, owner, {})


async def apply(pool: Pool, events: list[Event], chance: random.Random) -> None:
    """Deliver every event twice, shuffled, in batches of any size."""
    inbox = Inbox(pool, "request_api", HANDLERS, lock=lock)
    twice = [*events, *events]
    chance.shuffle(twice)
    while twice:
        size = chance.randint(1, 5)
        await inbox.apply([delivered(event) for event in twice[:size]])
        del twice[:size]


@asynccontextmanager
async def unsent(here: World, drafts: list[Draft]) -> AsyncIterator[list[Event]]:
    """Write events as approval does, in a transaction that is undone: this test delivers them itself."""
    async with here.approval.pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        try:
            yield await append(connection, "approval", drafts, now=await clock(connection))
        finally:
            await undone.rollback()


def settings(hours: int) -> Settings:
    return Settings(enabled=True, max_duration=timedelta(hours=hours))


def of_tenant(data: Any) -> Draft:
    return Draft(data, data.tenant, data.tenant, service_actor("approval"))


@pytest.mark.parametrize("seed", range(5))
async def test_tenants_and_members_end_up_as_their_owner_last_said(here: World, seed: int) -> None:
    tenant, eve = f"shuffled-{seed}", Person(id=new_id(), email=f"s{seed}@provider.example", name="Eve")
    gone = Person(id=new_id(), email=f"g{seed}@provider.example", name="Gone")
    back = Person(id=new_id(), email=f"b{seed}@provider.example", name="Back")
    drafts = [
        registered(tenant, settings(4)),
        of_tenant(said.LockboxDisabled(tenant=tenant, by=DANA, settings_version=2)),
        of_tenant(
            said.TenantSettingsChanged(tenant=tenant, by=DANA, settings_version=3, settings=settings(3), changes={})
        ),
        of_tenant(said.EntitlementChanged(tenant=tenant, entitled=False)),
        of_tenant(
            said.TenantSettingsChanged(tenant=tenant, by=DANA, settings_version=4, settings=settings(2), changes={})
        ),
        of_tenant(said.LockboxDisabled(tenant=tenant, by=DANA, settings_version=5)),
        member_added(eve),
        role_assigned(eve, "engineer"),
        role_assigned(eve, "manager"),
        role_removed(eve, "engineer"),
        member_added(gone),
        role_assigned(gone, "engineer"),
        member_removed(gone),
        member_added(back),
        role_assigned(back, "engineer"),
        member_removed(back),
        member_added(back),
        role_assigned(back, "auditor"),
    ]
    async with unsent(here, drafts) as events:
        await apply(here.database, events, random.Random(seed))
    async with transaction(here.database) as connection:
        rules = (await tenants.rules(connection, [tenant]))[tenant]
        enabled = await tenants.enabled(connection)
        found = await people.members(connection, [eve.id, gone.id, back.id])
    assert rules.max_duration == timedelta(hours=2)
    assert tenant not in enabled
    assert found[eve.id].roles == {"manager"}
    assert (found[gone.id].removed, found[gone.id].roles) == (True, frozenset())
    assert (found[back.id].removed, found[back.id].roles) == (False, frozenset({"auditor"}))


@pytest.mark.parametrize("seed", range(5))
async def test_a_request_ends_up_the_same_in_whatever_order_its_events_come(here: World, seed: int) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    approval = await here.approval_of(made["id"])
    granted = Granted(eve, tenant, made | {"grant": {"id": approval.data.model_dump()["grant_id"]}}, {})
    drafts = [await here.provider_approval_of(made["id"]), approval, granted.revocation]
    async with unsent(here, drafts) as events:
        await apply(here.database, events, random.Random(seed))
    async with transaction(here.database) as connection:
        row = await requests.read(connection, made["id"])
        assert row is not None
        expected = row.state
        for event in events:
            expected = evolve(expected, event)
        assert row.state == expected
        closed = await connection.fetchval("SELECT closed_at FROM requests WHERE id = $1", made["id"])
    assert closed == events[2].time
    shown = await here.http.get(f"/v1/requests/{made['id']}", headers=here.session(eve))
    assert (shown.json()["state"], shown.json()["ended_by"]) == ("ended", "revoked")


async def test_a_decision_on_a_request_that_is_not_here_yet_waits(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    data = (await here.provider_approval_of(made["id"])).data.model_copy(update={"request_id": new_id()})
    async with unsent(here, [by_approval(data)]) as events:
        await apply(here.database, events, random.Random(0))
    waits = await here.database.fetchval("SELECT waits_for FROM parked WHERE event_id = $1", events[0].id)
    assert waits == "state"
