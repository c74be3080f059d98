"""A service killed with -9 anywhere between its commit and the broker's confirm: the event arrives, once in effect."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.database.pool import Connection
from shared.events.envelope import Event
from shared.service import running
from tests.kernel import commit, handlers_that, pool_of, submitted, until
from tests.relaying import all_confirmed
from tests.servers import Broker, Brokers, Databases

pytestmark = pytest.mark.delivery


async def start(module: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.chaos.{module}", *arguments, stdout=asyncio.subprocess.PIPE
    )


@asynccontextmanager
async def consuming(database: str, broker: Broker, applied: list[Event]) -> AsyncIterator[None]:
    async def handle(connection: Connection, event: Event) -> None:
        await connection.execute("INSERT INTO freshness VALUES ($1, clock_timestamp())", event.id)

    async with running(
        "approval",
        database_url=database,
        amqp_url=broker.urls["approval"],
        handlers=handlers_that(handle),
        applied=applied.extend,
    ):
        yield


async def test_an_event_of_a_process_killed_right_after_its_commit_arrives_once(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker, database = await make_broker(), await make_database("request_api")
    process = await start("commit_process", database)
    assert process.stdout is not None
    event_id = (await process.stdout.readline()).decode().strip()
    process.kill()
    await process.wait()

    applied: list[Event] = []
    async with consuming(await make_database("approval"), broker, applied):
        relay = await start("relay_process", database, broker.urls["request_api"])
        await until(lambda: len(applied) == 1)
        relay.kill()
        await relay.wait()
        again = await start("relay_process", database, broker.urls["request_api"])
        async with pool_of(database, "request_api") as pool:
            await until(lambda: all_confirmed(pool))
        again.kill()
        await again.wait()
    assert [event.id for event in applied] == [event_id]


async def test_relays_killed_at_any_moment_lose_nothing_and_every_event_takes_effect_once(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker, database = await make_broker(), await make_database("request_api")
    applied: list[Event] = []
    sent: list[Event] = []
    moments = random.Random(7)
    async with (
        consuming(await make_database("approval"), broker, applied),
        pool_of(database, "request_api") as pool,
    ):
        for _ in range(8):
            sent += await commit(pool, [submitted(f"tenant-{number % 3}") for number in range(600)])
            relay = await start("relay_process", database, broker.urls["request_api"])
            before = len(applied)
            await until(lambda before=before: len(applied) > before)  # type: ignore[misc]
            await asyncio.sleep(moments.uniform(0, 0.1))
            relay.kill()
            await relay.wait()
        last = await start("relay_process", database, broker.urls["request_api"])
        await until(lambda: all_confirmed(pool), seconds=30)
        await until(lambda: len(applied) >= len(sent))
        last.kill()
        await last.wait()
    assert len(applied) == len(sent)
    assert {event.id for event in applied} == {event.id for event in sent}
