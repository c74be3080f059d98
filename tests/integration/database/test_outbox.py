"""The outbox on a real PostgreSQL: numbers, revisions, sizes."""

import asyncio
import random

import asyncpg
import pytest

from shared.database.outbox import append
from shared.database.pool import clock, transaction
from shared.events.envelope import EventTooLarge, read
from tests.kernel import commit, pool_of, submitted, withdrawn
from tests.servers import Databases


async def test_numbers_are_gapless_for_each_tenant_though_half_of_the_transactions_are_undone(
    make_database: Databases,
) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:

        class Undone(Exception):
            pass

        async def one(number: int) -> None:
            tenants = random.Random(number).sample(["contoso", "fabrikam", "tailspin"], 2)
            try:
                async with transaction(pool) as connection:
                    drafts = [submitted(tenant) for tenant in tenants]
                    await append(connection, "request_api", drafts, now=await clock(connection))
                    if number % 2:
                        raise Undone
            except Undone:
                pass

        await asyncio.gather(*(one(number) for number in range(200)))

        rows = await pool.fetch(
            "SELECT tenant, array_agg(sequence ORDER BY sequence) AS numbers FROM events GROUP BY 1"
        )
        assert sum(len(row["numbers"]) for row in rows) == 200
        for row in rows:
            assert row["numbers"] == list(range(1, len(row["numbers"]) + 1))


async def test_a_lower_number_is_always_committed_before_a_higher_one(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        first, second = await pool.acquire(), await pool.acquire()
        slow = first.transaction()
        await slow.start()
        await append(first, "request_api", [submitted()], now=await clock(first))

        async def later() -> None:
            async with second.transaction():
                await append(second, "request_api", [submitted()], now=await clock(second))

        waiting = asyncio.create_task(later())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        assert await pool.fetchval("SELECT count(*) FROM events") == 0
        await slow.commit()
        await waiting
        assert await pool.fetchval("SELECT max(sequence) FROM events") == 2
        await pool.release(first)
        await pool.release(second)


async def test_of_two_changes_of_the_same_revision_one_fails(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        (event,) = await commit(pool, [submitted()])
        await commit(pool, [withdrawn(event.subject, revision=2)])
        with pytest.raises(asyncpg.UniqueViolationError):
            await commit(pool, [withdrawn(event.subject, revision=2)])
        assert await pool.fetchval("SELECT last FROM sequences") == 2


async def test_stored_bytes_are_the_ones_that_were_returned_and_read_back_the_same(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        (event,) = await commit(pool, [submitted(detail='Grüße \u202e "quoted" \\ \u0007 \n second line')])
        stored = await pool.fetchval("SELECT body FROM events")
        assert stored == event.raw
        again = read(stored)
        assert (again.payload, again.time, again.sequence) == (event.payload, event.time, 1)
        assert b"\n" not in stored


async def test_an_event_over_the_limit_is_refused_by_the_name_of_its_largest_field(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        with pytest.raises(EventTooLarge) as refused:
            await commit(pool, [submitted(detail="x" * 60_000)])
        assert refused.value.field == "reason"
        assert await pool.fetchval("SELECT count(*) FROM events") == 0
        assert await pool.fetchval("SELECT count(*) FROM sequences") == 0


async def test_a_service_can_neither_change_an_event_nor_forget_that_it_saw_one(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        await commit(pool, [submitted()])
        for statement in (
            "UPDATE events SET body = ''",
            "TRUNCATE events",
            "DELETE FROM inbox",
            "DELETE FROM quarantine",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute("CREATE TABLE mine (id integer)")
