"""Several instances at once, instances that are killed, and streams that come doubled and shuffled."""

import asyncio
import os
import random
import signal
import sys
from datetime import timedelta
from functools import partial

from services.expiry.firing import fire
from services.expiry.handlers import fold
from shared.database.pool import Pool, transaction
from tests.integration.expiry.running import SECRET, expiring, heard, said
from tests.kernel import pool_of, until
from tests.running import free_port_base
from tests.servers import Broker, Brokers, Databases
from tests.story import Life, speaking


async def test_two_instances_that_fire_at_once_fire_each_timer_once(make_database: Databases) -> None:
    url = await make_database("expiry")
    lives = [Life(tenant=f"tenant-{number % 3}", window=timedelta(hours=-1)) for number in range(120)]
    async with pool_of(url, "expiry") as one, pool_of(url, "expiry") as other:
        async with transaction(one) as connection:
            for life in lives:
                await fold(connection, life.submitted())
        counts: list[int] = []

        async def instance(number: int) -> None:
            # A batch may be empty while the other instance holds what is left.
            while sum(counts) < len(lives):
                counts.append(await fire((one, other)[number % 2], limit=7))

        await asyncio.wait_for(asyncio.gather(*(instance(number) for number in range(6))), 30)
        events = await said(one)
        assert sorted(event.subject for event in events) == sorted(life.id for life in lives)
        assert await fire(one, limit=7) == 0


async def test_a_decision_that_commits_while_its_timer_is_being_looked_for_calls_it_off(
    make_database: Databases,
) -> None:
    url = await make_database("expiry")
    life = Life(window=timedelta(hours=-1))
    async with pool_of(url, "expiry") as pool:
        async with transaction(pool) as connection:
            await fold(connection, life.submitted())
        async with transaction(pool) as connection:
            await fold(connection, life.denied())
            # The rows are locked by a decision that has not been committed: they are passed over, not waited for.
            assert await fire(pool, limit=10) == 0
        assert await fire(pool, limit=10) == 0
        assert await said(pool) == []


async def test_a_shuffled_and_doubled_stream_leaves_the_same_timers(
    make_database: Databases, make_broker: Brokers
) -> None:
    lives = [Life() for _ in range(8)]
    waiting, approved, released, revoked, denied, withdrawn, refused, taken_back = lives
    stream = [
        *(life.submitted() for life in lives),
        *(life.approved() for life in (approved, released, revoked, taken_back)),
        *(released.released(), revoked.revoked(), denied.denied(), withdrawn.withdrawn(), refused.provider_denied()),
        *(taken_back.withdrawn(), taken_back.revoked()),
    ]
    shuffled = stream * 2
    random.Random(7).shuffle(shuffled)
    results = []
    for events in (stream, shuffled):
        url, broker = await make_database("expiry"), await make_broker()
        async with speaking(broker) as voices, expiring(url, broker) as service:
            await voices.say(*events)
            await until(partial(heard, service.pool, len(stream)))
            rows = await service.pool.fetch("SELECT request_id, kind, due_at, caused_by FROM timers ORDER BY 1, 2")
            results.append([tuple(row) for row in rows])
    assert results[0] == results[1]
    assert {row[:2] for row in results[0]} == {(waiting.id, "decision_window"), (approved.id, "access")}


async def test_an_instance_killed_between_its_mark_and_its_commit_misses_nothing_and_fires_nothing_twice(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    lives = [Life(window=timedelta(hours=-1)) for _ in range(20)]
    async with speaking(broker) as voices, pool_of(url, "expiry") as pool:
        await voices.say(*(life.submitted() for life in lives))
        async with pool.acquire() as connection, connection.transaction():
            # The tenant's counter is the last thing that the firing takes: it waits for this one with its timers marked.
            await connection.execute("INSERT INTO sequences (tenant, last) VALUES ('contoso', 1)")
            first = await start(url, broker)
            await until(partial(waits_for_a_lock, pool))
            first.send_signal(signal.SIGKILL)
            await first.wait()
            await connection.execute("DELETE FROM sequences")
        assert await said(pool) == []
        second = await start(url, broker)
        try:

            async def all_said() -> bool:
                return len(await said(pool)) >= len(lives)

            await until(all_said)
        finally:
            second.send_signal(signal.SIGTERM)
            code = await second.wait()
        assert sorted(event.subject for event in await said(pool)) == sorted(life.id for life in lives)
        assert code == 0


async def waits_for_a_lock(pool: Pool) -> bool:
    waiting: bool = await pool.fetchval(
        """SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                          WHERE datname = current_database() AND wait_event_type = 'Lock')"""
    )
    return waiting


async def start(url: str, broker: Broker) -> asyncio.subprocess.Process:
    """Start an instance as a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCKBOX_")}
    environment |= {
        "LOCKBOX_DATABASE_URL": url,
        "LOCKBOX_AMQP_URL": broker.urls["expiry"],
        "LOCKBOX_INTERNAL_SECRET": SECRET,
        "LOCKBOX_PORT": str(free_port_base()),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.expiry", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
