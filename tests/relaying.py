"""What the relay's tests share: a running relay, and a queue of the test's own that sees all that it sends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import aio_pika
import orjson

from shared.database.pool import Pool
from shared.events.envelope import Event, read
from shared.messaging.broker import make_broker as make_link
from shared.messaging.relay import Relay
from shared.messaging.subscriptions import CONTROL_PREFIX
from shared.messaging.topology import EXCHANGE
from tests.servers import Broker


@asynccontextmanager
async def relaying(pool: Pool, broker: Broker, *, alone: bool = True) -> AsyncIterator[Relay]:
    link = make_link(broker.urls["request_api"], service="request_api", purpose="relay")
    relay = Relay(pool, link, "request_api", alone=alone)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await link.stop()


class Tap:
    """A queue of the test's own on the exchange, read by an administrator."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.controls: list[tuple[datetime, int]] = []

    async def receive(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        if (message.routing_key or "").startswith(CONTROL_PREFIX):
            moment = datetime.fromisoformat(orjson.loads(message.body)["complete_until"])
            self.controls.append((moment, len(self.events)))
        else:
            self.events.append(read(message.body))


@asynccontextmanager
async def tapping(broker: Broker) -> AsyncIterator[Tap]:
    tap = Tap()
    connection = await aio_pika.connect(broker.admin_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EXCHANGE, "lockbox.#")
        await queue.consume(tap.receive, no_ack=True)
        yield tap


async def all_confirmed(pool: Pool) -> bool:
    return not await pool.fetchval(
        "SELECT count(*) FROM sequences LEFT JOIN relay USING (tenant) WHERE last > coalesce(confirmed, 0)"
    )
