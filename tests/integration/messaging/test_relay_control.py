"""What the relay says of its completeness: never too much, also under load, and nothing once it has stopped."""

import asyncio
from datetime import datetime, timedelta

import pytest

from shared.database.outbox import append
from shared.database.pool import clock
from tests.kernel import commit, pool_of, submitted, until
from tests.relaying import relaying, tapping
from tests.servers import Brokers, Databases

pytestmark = pytest.mark.delivery


async def test_a_control_message_comes_behind_everything_committed_before_its_time_under_steady_load(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    async with pool_of(await make_database("request_api"), "request_api") as pool, tapping(broker) as tap:
        committed: list[tuple[datetime, int]] = []

        async def load() -> None:
            total = 0
            while True:
                total += len(await commit(pool, [submitted(f"tenant-{number}") for number in range(5)]))
                committed.append((await clock(pool), total))  # type: ignore[arg-type]
                await asyncio.sleep(0.005)

        async with relaying(pool, broker):
            loading = asyncio.create_task(load())
            await until(lambda: len(tap.controls) >= 4)
            loading.cancel()
        assert len(committed) > 100
        for complete_until, delivered in tap.controls:
            total_before = max((total for moment, total in committed if moment < complete_until), default=0)
            assert delivered >= total_before
        pauses = [after[0] - before[0] for before, after in zip(tap.controls, tap.controls[1:], strict=False)]
        assert max(pauses) < timedelta(seconds=5)


async def test_an_uncommitted_event_is_not_covered_by_a_control_message(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    async with pool_of(await make_database("request_api"), "request_api") as pool, tapping(broker) as tap:
        async with relaying(pool, broker):
            await until(lambda: len(tap.controls) >= 1)
            async with pool.acquire() as connection:
                slow = connection.transaction()
                await slow.start()
                await append(connection, "request_api", [submitted()], now=await clock(connection))
                seen = len(tap.controls)
                await until(lambda: len(tap.controls) > seen)
                await slow.commit()
                committed_at = await clock(connection)
            await until(lambda: tap.controls[-1][0] > committed_at)
            delivered = next(count for moment, count in tap.controls if moment > committed_at)
            assert delivered == 1


async def test_a_stopped_relay_says_nothing_more(make_database: Databases, make_broker: Brokers) -> None:
    broker = await make_broker()
    async with pool_of(await make_database("request_api"), "request_api") as pool, tapping(broker) as tap:
        async with relaying(pool, broker):
            await until(lambda: len(tap.controls) >= 1)
        seen = len(tap.controls)
        await asyncio.sleep(1.5)
        assert len(tap.controls) == seen
