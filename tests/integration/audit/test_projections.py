"""The read models say what the log says, in whatever order it was told, and can be made again from it."""

import random
from collections.abc import Sequence

import orjson

from services.audit.app import PROJECTIONS, make_inbox
from services.audit.ingest import Ingest
from shared.database.pool import Pool
from shared.events.envelope import Event, new_id, read
from shared.messaging import dead_letters
from tests import story
from tests.integration.audit.parts import (
    client_created,
    client_revoked,
    delivery,
    ingest,
    picture,
    project,
    projectors,
    recorded,
    refused,
    somebody,
    summarized,
    whole_life,
)
from tests.kernel import pool_of
from tests.servers import Databases


def everything() -> list[Event]:
    """What three tenants' logs could hold, with people who come, go and come again."""
    events: list[Event] = []
    for tenant in ("contoso", "fabrikam"):
        events.append(story.registered(tenant))
        admin = somebody(f"admin@{tenant}.example", tenant, "global_admin", "auditor")
        events += admin.events()
        events += [story.role_removed(admin.person, "auditor", tenant), admin.sessions_revoked()]
        events += [admin.sessions_revoked(session_id="s-1"), story.member_removed(admin.person, tenant)]
        events += [story.member_added(admin.person, tenant), story.role_assigned(admin.person, "user_admin", tenant)]
        events += [
            story.role_assigned(admin.person, "user_admin", tenant, through="an issuer"),
            story.role_removed(admin.person, "user_admin", tenant, through="an issuer"),
        ]
        events += [
            story.switched(on=False, version=2, tenant=tenant),
            story.switched(on=True, version=3, tenant=tenant),
        ]
        clients = [new_id(), new_id()]
        events += [client_created(one, tenant, "audit:read") for one in clients]
        events.append(client_revoked(clients[0], tenant))
        lives = [story.Life(tenant) for _ in range(4)]
        events += whole_life(lives[0])
        events += [lives[1].submitted(), lives[1].provider_approved(), lives[1].denied()]
        events += [lives[2].submitted(), lives[2].expired(stage="provider")]
        events += [lives[3].submitted(), lives[3].withdrawn(), refused(lives[0]), summarized(lives[0], 40)]
    return events


async def told(make_database: Databases, events: Sequence[Event]) -> dict[str, list[tuple[object, ...]]]:
    async with pool_of(await make_database("audit"), "audit") as pool:
        for start in range(0, len(events), 7):
            await Ingest(pool).apply([delivery(event) for event in events[start : start + 7]])
            await project(pool)
        assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 0
        assert await pool.fetchval("SELECT count(*) FROM parked") == 0
        return await picture(pool)


async def test_doubled_and_shuffled_deliveries_give_the_same_projections(make_database: Databases) -> None:
    events = everything()
    expected = await told(make_database, events)
    assert len(expected["requests"]) == 8
    assert len(expected["members"]) == 2
    for seed in (1, 2):
        shuffled = events * 2
        random.Random(seed).shuffle(shuffled)
        assert await told(make_database, shuffled) == expected


async def test_a_wiped_projection_is_filled_from_the_log(make_database: Databases) -> None:
    async with pool_of(await make_database("audit"), "audit") as pool:
        await ingest(pool, everything())
        await project(pool)
        before = await picture(pool)
        assert all(before[table] for projection in PROJECTIONS for table in projection.tables)
        for projector, projection in zip(projectors(pool), PROJECTIONS, strict=True):
            for table in projection.tables:
                await pool.execute(f"DELETE FROM {table}")
            assert await projector.rebuild() == await pool.fetchval("SELECT position FROM log_end")
        assert await picture(pool) == before


def changed(event: Event, **data: object) -> Event:
    """Give an event with other data, as a faulty version of its owner might send it."""
    body = orjson.loads(event.raw)
    body["data"] |= data
    return read(orjson.dumps(body))


async def settled(pool: Pool) -> dict[str, str]:
    return {row["request_id"]: row["settled"] for row in await pool.fetch("SELECT request_id, settled FROM requests")}


async def test_a_poison_event_blocks_its_own_subject_and_the_rest_goes_on(make_database: Databases) -> None:
    poisoned, other = story.Life(), story.Life()
    good = poisoned.submitted()
    bad = changed(good, duration="for ever")
    async with pool_of(await make_database("audit"), "audit") as pool:
        await ingest(pool, [bad, other.submitted(), poisoned.provider_approved(), recorded(poisoned), recorded(other)])
        await project(pool)
        await ingest(pool, [other.provider_approved(), poisoned.denied(), recorded(other), recorded(poisoned)])
        await project(pool)
        assert await settled(pool) == {other.id: "awaiting_customer"}
        assert [tuple(row) for row in await pool.fetch("SELECT request_id, actions FROM usage")] == [(other.id, 2)]
        dead = await pool.fetch("SELECT event_id::text, subject FROM dead_letters")
        assert [tuple(row) for row in dead] == [(bad.id, poisoned.id)]
        waiting = await pool.fetch("SELECT body FROM parked WHERE waits_for = 'dead_letter' ORDER BY position")
        assert [read(row["body"]).type.split(".")[2] for row in waiting][0::3] == ["provider_approved", "recorded"]
        assert len(waiting) == 4

        # Repaired, it comes in, and what waited behind it follows.
        await pool.execute("UPDATE dead_letters SET body = $1", good.raw)
        number = await pool.fetchval("SELECT id FROM dead_letters")
        replayed = await dead_letters.replay(pool, make_inbox(pool), number, by="otto@provider.example")
        assert (replayed.applied, replayed.waiting, replayed.failed) == (5, 0, None)
        assert await settled(pool) == {other.id: "awaiting_customer", poisoned.id: "denied"}


async def test_rebuilding_judges_dead_events_anew(make_database: Databases) -> None:
    life = story.Life()
    bad = changed(life.submitted(), duration="for ever")
    async with pool_of(await make_database("audit"), "audit") as pool:
        await ingest(pool, [bad, life.provider_approved()])
        await project(pool)
        for projector in projectors(pool):
            await projector.rebuild()
        assert await pool.fetchval("SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL") == 1
        assert await pool.fetchval("SELECT count(*) FROM parked") == 1


async def test_no_log_speaks_for_another_realm(make_database: Databases) -> None:
    """An event in one tenant's log whose data names another's changes nothing there."""
    person = story.member("mallory@fabrikam.example")
    events = [
        changed(story.member_added(person, "fabrikam"), realm="provider"),
        changed(story.role_assigned(story.member("eve@fabrikam.example"), "auditor", "fabrikam"), realm="provider"),
        changed(story.registered("fabrikam"), tenant="contoso"),
        changed(story.Life("fabrikam").submitted(), tenant="contoso"),
    ]
    async with pool_of(await make_database("audit"), "audit") as pool:
        await ingest(pool, events)
        await project(pool)
        assert not any((await picture(pool)).values())
        assert await pool.fetchval("SELECT count(*) FROM dead_letters") == len(events)
