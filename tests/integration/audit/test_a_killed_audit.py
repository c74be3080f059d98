"""Audit killed with -9 in the middle of its work: nothing is half, and nothing is lost or doubled."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.state import free_port
from tests.bench.bench_ingest import actions, fill
from tests.integration.audit.parts import ORIGIN, SECRET, bodies
from tests.kernel import pool_of, until
from tests.servers import Broker, Brokers, Databases

EVENTS = 4000


@asynccontextmanager
async def audit(url: str, broker: Broker) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the service itself, in a process of its own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LOCKBOX_")},
        "LOCKBOX_DATABASE_URL": url,
        "LOCKBOX_AMQP_URL": broker.urls["audit"],
        "LOCKBOX_INTERNAL_SECRET": SECRET,
        "LOCKBOX_LOG_ORIGIN": ORIGIN,
        "LOCKBOX_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.audit", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.delivery
async def test_a_kill_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("audit"), await make_broker()
    events = actions(EVENTS, first=1)
    await fill(broker.urls["request_api"], events, user="request_api")
    async with pool_of(url, "audit") as pool:

        async def at_least(count: int) -> bool:
            return bool(await pool.fetchval("SELECT position >= $1 FROM log_end", count))

        for goal in (1, EVENTS // 2):
            async with audit(url, broker) as process:
                await until(lambda goal=goal: at_least(goal))  # type: ignore[misc]  # mypy cannot type the default.
                process.send_signal(signal.SIGKILL)
            counts = await pool.fetchrow(
                """SELECT (SELECT position FROM log_end), (SELECT count(*) FROM leaves), (SELECT count(*) FROM payloads),
                          (SELECT sum(size)::int FROM heads)"""
            )
            assert counts is not None
            assert len(set(counts)) == 1
        async with audit(url, broker) as process:
            await until(lambda: at_least(EVENTS))
        assert process.returncode == 0
        for tenant in sorted({event.tenant for event in events}):
            assert await bodies(pool, tenant) == [event.raw for event in events if event.tenant == tenant]
        assert await pool.fetchval("SELECT position FROM log_end") == EVENTS
