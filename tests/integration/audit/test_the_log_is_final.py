"""Bytes, entries and indexes of the log never change, whoever tries."""

import asyncio
import hashlib
import random

import asyncpg
import orjson
import pytest

from services.audit.ingest import Ingest
from shared.database.faults import TRANSIENT
from shared.events.envelope import read
from tests import story
from tests.integration.audit.parts import bodies, delivery, ingest
from tests.kernel import event_of, pool_of, submitted, until
from tests.servers import Databases, PostgresServer


async def test_the_bytes_that_came_in_are_the_bytes_that_are_kept(make_database: Databases) -> None:
    awkward = 'Zürich 北京 \U0001f511 \u2028 \x7f " \\ / <b> \u0000'
    life = story.Life(detail=awkward)
    ours = life.submitted()
    # The same event as another JSON library writes it: escapes, spaces and the order of the keys are not ours to change.
    fields = orjson.loads(ours.raw)
    other_id = fields["id"][:-1] + ("0" if fields["id"][-1] != "0" else "1")
    escaped = (
        '{ "data" : {"b":1.0, "a":1e2, "text":"Z\\u00fcrich \\/ \\ud83d\\udd11"}, "specversion":"1.0", "salt":"00",'
        f'"id":"{other_id}","type":"{ours.type}","source":"/services/request_api","subject":"s","tenantid":"contoso",'
        '"time":"2026-01-02T03:04:05+01:00","actorid":"a","actortype":"engineer","sequence":"00000000000000000007"}  '
    )
    theirs = read(escaped.encode())
    async with pool_of(await make_database("audit"), "audit") as pool:
        await ingest(pool, [ours, theirs])
        assert await bodies(pool, "contoso") == [ours.raw, escaped.encode()]
        digests = [row["digest"] for row in await pool.fetch("SELECT digest FROM leaves ORDER BY position")]
        assert digests == [hashlib.sha256(ours.raw).digest(), hashlib.sha256(escaped.encode()).digest()]


async def test_an_event_is_in_the_log_once_however_often_it_comes(make_database: Databases) -> None:
    events = [event_of(submitted(f"t{number % 3}"), sequence=number + 1) for number in range(30)]
    deliveries = [delivery(event) for event in events] * 3
    random.Random(7).shuffle(deliveries)
    async with pool_of(await make_database("audit"), "audit") as pool:
        for start in range(0, len(deliveries), 7):
            await Ingest(pool).apply(deliveries[start : start + 7])
        for tenant in ("t0", "t1", "t2"):
            assert sorted(await bodies(pool, tenant)) == sorted(event.raw for event in events if event.tenant == tenant)


async def test_two_ingests_at_once_leave_no_gap_and_no_double(make_database: Databases) -> None:
    events = [event_of(submitted(f"t{number % 4}"), sequence=number + 1) for number in range(400)]
    url = await make_database("audit")
    async with pool_of(url, "audit") as one, pool_of(url, "audit") as other:

        async def run(pool: asyncpg.Pool, seed: int) -> None:
            mine = events.copy()
            random.Random(seed).shuffle(mine)
            for start in range(0, len(mine), 9):
                await ingest(pool, mine[start : start + 9])

        await asyncio.gather(run(one, 1), run(other, 2), run(one, 3))
        positions = [row["position"] for row in await one.fetch("SELECT position FROM leaves ORDER BY position")]
        assert positions == list(range(1, 401))
        for tenant in ("t0", "t1", "t2", "t3"):
            assert len(await bodies(one, tenant)) == 100


async def test_a_batch_that_is_cut_off_leaves_nothing_half(make_database: Databases, postgres: PostgresServer) -> None:
    events = [event_of(submitted(), sequence=number + 1) for number in range(50)]
    url = await make_database("audit")
    async with pool_of(url, "audit") as pool:
        await ingest(pool, events[:10])
        held = await asyncpg.connect(url)
        admin = await asyncpg.connect(postgres.url)
        try:
            # It waits inside its transaction for the row that somebody holds; then its server process is ended.
            transaction = held.transaction()
            await transaction.start()
            await held.execute("SELECT 1 FROM heads WHERE tenant = 'contoso' FOR UPDATE")
            batch = asyncio.create_task(ingest(pool, events))
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
            database = url.rpartition("/")[2]

            async def is_waiting() -> bool:
                return await admin.fetchval(waiting, database) is not None

            await until(is_waiting)
            await admin.execute("SELECT pg_terminate_backend($1)", await admin.fetchval(waiting, database))
            with pytest.raises(TRANSIENT):
                await batch
            await transaction.rollback()
        finally:
            await held.close()
            await admin.close()
        assert len(await bodies(pool, "contoso")) == 10
        assert await pool.fetchval("SELECT count(*) FROM payloads") == 10
        await ingest(pool, events)
        assert await bodies(pool, "contoso") == [event.raw for event in events]


@pytest.mark.parametrize("table", ["leaves", "payloads"])
async def test_nobody_changes_or_removes_a_row(table: str, make_database: Databases, postgres: PostgresServer) -> None:
    url = await make_database("audit")
    async with pool_of(url, "audit") as pool:
        await ingest(pool, [event_of(submitted())])
        for statement in (f"UPDATE {table} SET position = 9", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)
    # Not even an administrator, also one whose session says that it applies a replica's changes.
    admin = await asyncpg.connect(postgres.url.rpartition("/")[0] + "/" + url.rpartition("/")[2])
    try:
        await admin.execute("SET session_replication_role = replica")
        for statement in (f"UPDATE {table} SET position = 9", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.RaiseError, match="final"):
                await admin.execute(statement)
        with pytest.raises(asyncpg.RaiseError, match="only grows"):
            await admin.execute("UPDATE heads SET size = 1")
    finally:
        await admin.close()


async def test_the_log_keeps_the_name_that_it_began_with(make_database: Databases) -> None:
    from services.audit.app import log_name
    from shared.settings import SettingsError

    async with pool_of(await make_database("audit"), "audit") as pool:
        chosen = await log_name(pool, None)
        assert await log_name(pool, None) == chosen
        with pytest.raises(SettingsError, match=f"set it to {chosen}"):
            await log_name(pool, "another.example/log")
