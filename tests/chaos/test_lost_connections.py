"""Thirty connections lost in a row: nothing dies of it, and everything takes effect once, in order."""

import asyncio

import pytest

from shared.database.pool import Connection
from shared.events.envelope import Event
from shared.service import running
from tests.kernel import commit, handlers_that, pool_of, submitted, until
from tests.proxy import proxied
from tests.relaying import relaying
from tests.servers import Brokers, Databases

pytestmark = pytest.mark.delivery


async def test_thirty_lost_connections_in_a_row_send_nothing_to_the_dead_letters(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    applied: list[Event] = []

    async def handle(_connection: Connection, _event: Event) -> None:
        # Slow enough that a cut always finds messages that were delivered and not acknowledged.
        await asyncio.sleep(0.002)

    async with (
        proxied(broker.urls["approval"]) as proxy,
        pool_of(await make_database("request_api"), "request_api") as sender,
        relaying(sender, broker),
        running(
            "approval",
            database_url=await make_database("approval"),
            amqp_url=proxy.before(broker.urls["approval"]),
            handlers=handlers_that(handle),
            applied=applied.extend,
        ) as approval,
    ):
        sent: list[Event] = []
        await until(lambda: proxy.accepted > 0)
        for _ in range(30):
            sent += await commit(sender, [submitted() for _ in range(60)])
            await asyncio.sleep(0.05)
            assert proxy.cut() > 0
            # Counted after the cut: one that was accepted before it is gone.
            seen = proxy.accepted
            await until(lambda seen=seen: proxy.accepted > seen)  # type: ignore[misc]
        await until(lambda: len(applied) >= len(sent))
        assert [event.id for event in applied] == [event.id for event in sent]
        for table in ("dead_letters", "quarantine", "parked"):
            assert await approval.pool.fetchval(f"SELECT count(*) FROM {table}") == 0
