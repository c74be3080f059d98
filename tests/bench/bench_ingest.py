"""How many events a second get from audit's queue into the committed log, beside a bare loop of aio-pika, COPY and multiple ack.

Each runs in a process of its own, in turns, on a quorum queue that holds the same messages; the middle round of each counts.
"""

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aio_pika
import asyncpg
import uvloop
from aiormq import spec

from services.audit.app import PROJECTIONS, make_inbox
from services.audit.growth import Growth
from services.audit.ingest import Ingest
from services.audit.projections.projector import Projector
from shared.database.pool import Pool
from shared.database.provision import url_with
from shared.events.actions import ActionRecorded
from shared.events.envelope import CONTENT_TYPE, Actor, Draft, Event, new_id, write
from shared.messaging.broker import make_broker, open_channel
from shared.messaging.delivery import Delivery
from shared.messaging.intake import Apply
from shared.messaging.topology import EXCHANGE
from shared.service import running
from shared.web.serve import GC_THRESHOLDS
from tests import servers

EVENTS = 40_000
ROUNDS = 3
TENANTS = 16
WINDOW = 500
BATCH = 500
BARE_QUEUE = "bench.bare"
EVENT_BYTES = 777
LOOK_SECONDS = 0.02
_APPENDED = "SELECT position FROM log_end"


def actions(count: int, *, first: int) -> list[Event]:
    """Write recorded actions of several tenants, each of EVENT_BYTES bytes; `first` is each tenant's first number."""
    now = datetime.now(UTC)
    engineer, requests = new_id(), [new_id() for _ in range(TENANTS)]
    events: list[Event] = []
    detail = ""
    for number in range(count):
        tenant, request_id = f"tenant-{number % TENANTS:02d}", requests[number % TENANTS]
        draft = Draft(
            data=ActionRecorded(
                action_id=new_id(),
                grant_id=request_id,
                request_id=request_id,
                tenant=tenant,
                resource=f"exchange-online/mailboxes/user-{number % 50:02d}",
                operation="read",
                gate="actions-api",
                detail=detail,
            ),
            tenant=tenant,
            subject=request_id,
            actor=Actor(engineer, "engineer"),
            correlation_id=request_id,
        )
        event = write(draft, service="request_api", sequence=first + number // TENANTS, time=now)
        detail = detail or "x" * (EVENT_BYTES - len(event.raw))
        events.append(event)
    return events


async def fill(url: str, events: Sequence[Event], *, user: str | None, queue: str | None = None) -> None:
    """Publish events with a window of confirms: to the exchange, or straight into a queue."""
    window = asyncio.Semaphore(WINDOW)
    link = make_broker(url, service=user or "bench", purpose="fill")
    async with open_channel(link, confirms=True) as channel:

        async def send(event: Event) -> None:
            async with window:
                properties = spec.Basic.Properties(
                    content_type=CONTENT_TYPE, delivery_mode=2, message_id=event.id, user_id=user
                )
                await channel.basic_publish(
                    event.raw,
                    exchange="" if queue else EXCHANGE,
                    routing_key=queue or event.type,
                    properties=properties,
                    mandatory=True,
                )

        await asyncio.gather(*(send(event) for event in events))
    await link.stop()


async def ours(database_url: str, amqp_url: str, count: int) -> float:
    """Run the service's intake, ingest and projections until `count` more events are in the log; return the seconds."""
    began = 0.0

    def make_apply(pool: Pool) -> Apply:
        ingest = Ingest(pool)

        async def apply(deliveries: Sequence[Delivery]) -> None:
            nonlocal began
            began = began or time.perf_counter()
            await ingest.apply(deliveries)

        return apply

    watch = await asyncpg.connect(database_url)
    target = count + await watch.fetchval(_APPENDED)
    async with running("audit", database_url=database_url, amqp_url=amqp_url, make_apply=make_apply) as service:
        growth, inbox = Growth(service.pool), make_inbox(service.pool)
        service.run(growth.run(), name="growth")
        for projection in PROJECTIONS:
            service.run(Projector(service.pool, projection, inbox, growth).run(), name=projection.name)
        while await watch.fetchval(_APPENDED) < target:  # noqa: ASYNC110 - It watches from outside, as a reader would.
            await asyncio.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - began
    await watch.close()
    return seconds


async def bare(database_url: str, amqp_url: str, count: int) -> float:
    """Take messages, copy their bodies into a table and acknowledge each batch at once; return the seconds."""
    began = 0.0
    waiting: list[aio_pika.abc.AbstractIncomingMessage] = []
    arrived = asyncio.Event()

    async def receive(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        waiting.append(message)
        arrived.set()

    database = await asyncpg.connect(database_url)
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=2 * BATCH)
        await (await channel.get_queue(BARE_QUEUE, ensure=False)).consume(receive)
        done = 0
        while done < count:
            await arrived.wait()
            arrived.clear()
            began = began or time.perf_counter()
            batch, waiting[:BATCH] = waiting[:BATCH], []
            rows = [(message.message_id, message.body) for message in batch]
            await database.copy_records_to_table("bare", records=rows, columns=("id", "body"))
            await batch[-1].ack(multiple=True)
            done += len(batch)
            if waiting:
                arrived.set()
        seconds = time.perf_counter() - began
    await database.close()
    return seconds


ROLES = {"ours": ours, "limit": bare}


async def measured(role: str, database_url: str, amqp_url: str, count: int) -> float:
    """Run one of the two in a process of its own; return its events a second."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bench_ingest", role, str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps([database_url, amqp_url]).encode())
    if process.returncode:
        raise RuntimeError(f"the process for {role} ended with {process.returncode}")
    return count / float(out.splitlines()[-1])


@asynccontextmanager
async def prepared(
    database_admin_url: str, amqp_url: str, management_url: str
) -> AsyncIterator[tuple[dict[str, str], dict[str, str], str]]:
    """Make a database and a virtual host for this alone; give both roles' addresses, and a publisher's."""
    databases = servers.Databases(database_admin_url)
    brokers = servers.Brokers(servers.GivenRabbit(amqp_url, management_url))
    try:
        own, broker = await databases("audit"), await brokers()
        admin = url_with(database_admin_url, database=own.rpartition("/")[2])
        connection = await asyncpg.connect(admin)
        await connection.execute("CREATE TABLE bare (id uuid PRIMARY KEY, body bytea NOT NULL)")
        await connection.close()
        async with await aio_pika.connect(broker.admin_url) as link:
            channel = await link.channel()
            await channel.declare_queue(
                BARE_QUEUE, durable=True, arguments={"x-queue-type": "quorum", "x-single-active-consumer": True}
            )
        yield (
            {"ours": own, "limit": admin},
            {"ours": broker.urls["audit"], "limit": broker.admin_url},
            broker.urls["request_api"],
        )
    finally:
        await brokers.delete()
        await databases.drop()


async def run(
    database_admin_url: str, amqp_url: str, management_url: str, *, count: int = EVENTS, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Measure; `ours` and `limit` are events a second."""
    found: dict[str, list[float]] = {role: [] for role in ROLES}
    async with prepared(database_admin_url, amqp_url, management_url) as (databases, brokers, publisher):
        for number in range(rounds):
            events = actions(count, first=1 + number * count)
            for role, speeds in found.items():
                if role == "ours":
                    await fill(publisher, events, user="request_api")
                else:
                    await fill(brokers[role], events, user=None, queue=BARE_QUEUE)
                speeds.append(await measured(role, databases[role], brokers[role], count))
    speed = {role: statistics.median(speeds) for role, speeds in found.items()}
    return {
        "name": "ingest, events a second from the queue to the committed log",
        **speed,
        "ratio": speed["ours"] / speed["limit"],
        "aim": 0.7,
        "limit_is": f"aio-pika, COPY of the same {EVENT_BYTES} bytes into one table, one ack for {BATCH}",
    }


async def main() -> None:
    async with servers.any_postgres() as postgres, servers.any_rabbitmq() as rabbitmq:
        print(await run(postgres.url, rabbitmq.amqp_url, rabbitmq.management_url))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        own_database, own_broker = json.load(sys.stdin)
        # As a service sets it, and the bare loop gains by it too.
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(runner.run(ROLES[sys.argv[1]](own_database, own_broker, int(sys.argv[2]))))
    else:
        asyncio.run(main())
