"""Whoever waits for new entries is woken by any process's append, also after the database was away."""

import asyncio
import contextlib

import asyncpg

from services.audit.growth import Growth
from tests import story
from tests.integration.audit.parts import ingest
from tests.kernel import pool_of, until
from tests.servers import Databases, PostgresServer

LISTENS = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query LIKE 'LISTEN%'"


async def test_a_waiter_is_woken_also_after_the_listening_connection_was_lost(
    make_database: Databases, postgres: PostgresServer
) -> None:
    url = await make_database("audit")
    database = url.rpartition("/")[2]
    admin = await asyncpg.connect(postgres.url)
    async with pool_of(url, "audit") as pool, pool_of(url, "audit") as other:
        growth = Growth(pool)
        listening = asyncio.create_task(growth.run())
        try:
            for _ in range(2):

                async def listens() -> bool:
                    return await admin.fetchval(LISTENS, database) is not None

                await until(listens)
                grown = growth.now()
                assert not grown.is_set()
                await ingest(other, [story.Life().submitted()])
                async with asyncio.timeout(5):
                    await grown.wait()
                await admin.execute(f"SELECT pg_terminate_backend(pid) FROM ({LISTENS}) AS s", database)

                async def is_gone() -> bool:
                    return not await listens()

                await until(is_gone)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
    await admin.close()


async def test_a_waiter_who_is_cancelled_as_the_word_comes_ends(make_database: Databases) -> None:
    async with pool_of(await make_database("audit"), "audit") as pool:
        growth = Growth(pool)

        async def follow() -> None:
            while True:
                await growth.wait(growth.now(), 1)

        following = asyncio.create_task(follow())
        await asyncio.sleep(0.05)
        growth._tell()
        following.cancel()
        done, _ = await asyncio.wait([following], timeout=5)
        assert done
