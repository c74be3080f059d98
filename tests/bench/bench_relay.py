"""Events a second from the outbox to the broker's confirm, beside aio-pika alone with 500 confirms in flight."""

import asyncio
import sys
import time
from typing import Any

import aio_pika

from shared.database.outbox import append
from shared.database.pool import clock, open_pool, transaction
from shared.events.actions import ActionRecorded
from shared.events.envelope import CONTENT_TYPE, Actor, Draft, new_id
from shared.messaging.topology import EXCHANGE
from tests import servers

EVENTS = 20_000
TENANTS = 16
WINDOW = 500
KEY = "lockbox.action.recorded.v1"


def action(number: int) -> Draft:
    """Draft an action of 777 bytes or so."""
    tenant, request = f"tenant-{number % TENANTS}", new_id()
    data = ActionRecorded(
        action_id=new_id(),
        grant_id=new_id(),
        request_id=request,
        tenant=tenant,
        resource="exchange-online/mailboxes/alice",
        operation="read",
        gate="mail-archive",
        detail="Read the folder list to see why the mailbox does not open.",
    )
    return Draft(data, tenant, request, Actor(new_id(), "engineer"), correlation_id=request)


async def limit(url: str, bodies: list[bytes]) -> float:
    """Publish with aio-pika alone: what the library and the broker give."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        window = asyncio.Semaphore(WINDOW)

        async def publish(body: bytes) -> None:
            message = aio_pika.Message(body, content_type=CONTENT_TYPE, delivery_mode=2, user_id="request_api")
            await exchange.publish(message, KEY, mandatory=True, timeout=10)
            window.release()

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for body in bodies:
                await window.acquire()
                group.create_task(publish(body))
        return len(bodies) / (time.perf_counter() - began)


async def ours(url: str, database: str) -> float:
    """Let a relay, alone in its process, empty an outbox."""
    pool = await open_pool(database, service="request_api")
    began = time.perf_counter()
    relay = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.chaos.relay_process", database, url)
    first = None
    try:
        while True:
            done = await pool.fetchval("SELECT coalesce(sum(confirmed), 0)::int FROM relay")
            if first is None and done:
                first, began = done, time.perf_counter()
            if done >= EVENTS:
                return (EVENTS - (first or 0)) / (time.perf_counter() - began)
            await asyncio.sleep(0.02)
    finally:
        relay.kill()
        await relay.wait()
        await pool.close()


async def run(postgres: servers.PostgresServer, rabbitmq: servers.RabbitServer) -> dict[str, Any]:
    databases, brokers = servers.Databases(postgres.url), servers.Brokers(rabbitmq)
    try:
        database, broker = await databases("request_api"), await brokers()
        pool = await open_pool(database, service="request_api")
        bodies: list[bytes] = []
        for start in range(0, EVENTS, 1000):
            async with transaction(pool) as connection:
                drafts = [action(number) for number in range(start, start + 1000)]
                events = await append(connection, "request_api", drafts, now=await clock(connection))
            bodies += [event.raw for event in events]
        await pool.close()
        limits = [await limit(broker.urls["request_api"], bodies)]
        measured = await ours(broker.urls["request_api"], database)
        limits.append(await limit(broker.urls["request_api"], bodies))
    finally:
        await brokers.delete()
        await databases.drop()
    bare = sum(limits) / len(limits)
    return {
        "name": "relay, events a second",
        "ours": measured,
        "limit": bare,
        "ratio": measured / bare,
        "aim": 0.7,
        "limit_is": f"aio-pika, {WINDOW} confirms in flight, the same {len(bodies[0])} bytes",
    }


async def main() -> None:
    async with servers.any_postgres() as postgres, servers.any_rabbitmq() as rabbitmq:
        print(await run(postgres, rabbitmq))


if __name__ == "__main__":
    asyncio.run(main())
