"""How many events a second get from audit's queue into the committed log, against a bare loop that only copies and acknowledges.

`python -m tests.bench.bench_ingest` starts servers of its own. Ours and the limit run in a process each, in turns, on queues
of the same kind that hold the same messages; the best round of each counts.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aio_pika
import aiormq
import asyncpg
import uvloop

from services.audit.ingest import Ingest
from shared.database.provision import provision_database, url_with
from shared.events.actions import ActionRecorded
from shared.events.catalogue import SERVICES
from shared.events.envelope import CONTENT_TYPE, Actor, Draft, Event, new_id, write
from shared.messaging.delivery import Delivery
from shared.messaging.topology import EXCHANGE, provision_broker, queue_name
from shared.service import running
from tests import servers

EVENTS = 40_000
ROUNDS = 2
TENANTS = 16
WINDOW = 500
BATCH = 500
VIRTUAL_HOST = "bench-ingest"
DATABASE = "bench_ingest_audit"
BARE_QUEUE = "bench.bare"
EVENT_BYTES = 777
DONE_POLL_SECONDS = 0.02


def actions(count: int, *, first: int) -> list[Event]:
    """Write recorded actions of several tenants, each of EVENT_BYTES bytes."""
    now = datetime.now(UTC)
    engineer, requests = new_id(), [new_id() for _ in range(TENANTS)]
    events: list[Event] = []
    detail = ""
    for number in range(count):
        tenant, request_id = f"tenant-{number % TENANTS}", requests[number % TENANTS]
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


async def fill(url: str, exchange: str, key: str | None, events: Sequence[Event], *, user: str | None) -> None:
    """Publish events with a window of confirms; `key` names a queue where it is not the event's type."""
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=True)
    window = asyncio.Semaphore(WINDOW)

    async def send(event: Event) -> None:
        async with window:
            properties = aiormq.spec.Basic.Properties(
                content_type=CONTENT_TYPE, delivery_mode=2, message_id=event.id, message_type=event.type, user_id=user
            )
            await channel.basic_publish(
                event.raw, exchange=exchange, routing_key=key or event.type, properties=properties, wait=False
            )

    await asyncio.gather(*(send(event) for event in events))
    await connection.close()


async def ours(database_url: str, amqp_url: str, count: int) -> float:
    """Run the service's own intake and ingest until `count` more events are in the log; return the seconds."""
    began = 0.0
    connection = await asyncpg.connect(database_url)
    target = count + await connection.fetchval("SELECT position FROM log_end")

    def make_apply(pool: asyncpg.Pool) -> object:
        ingest = Ingest(pool)

        async def apply(deliveries: Sequence[Delivery]) -> None:
            nonlocal began
            began = began or time.perf_counter()
            await ingest.apply(deliveries)

        return apply

    async with running("audit", database_url=database_url, amqp_url=amqp_url, make_apply=make_apply):  # type: ignore[arg-type]
        while await connection.fetchval("SELECT position FROM log_end") < target:
            await asyncio.sleep(DONE_POLL_SECONDS)
        seconds = time.perf_counter() - began
    await connection.close()
    return seconds


async def bare(database_url: str, amqp_url: str, count: int) -> float:
    """Take messages, copy their bodies into a table and acknowledge each batch at once; return the seconds."""
    began = 0.0
    database = await asyncpg.connect(database_url)
    connection = await aio_pika.connect(amqp_url)
    channel = await connection.channel(publisher_confirms=False)
    await channel.set_qos(prefetch_count=2 * BATCH)
    waiting: list[aio_pika.abc.AbstractIncomingMessage] = []
    arrived = asyncio.Event()

    async def receive(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        waiting.append(message)
        arrived.set()

    queue = await channel.get_queue(BARE_QUEUE, ensure=False)
    await queue.consume(receive)
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
    await connection.close()
    await database.close()
    return seconds


ROLES = {"ours": ours, "limit": bare}


async def measured(role: str, database_url: str, amqp_url: str, count: int) -> float:
    """Run one of the two in a process of its own; return its events a second."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.bench_ingest",
        role,
        str(count),
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
) -> AsyncIterator[tuple[dict[str, str], dict[str, str]]]:
    """Make a database and a virtual host for this measurement alone; yield the addresses of database and broker by role."""
    passwords = {service: f"{service}-in-bench" for service in SERVICES}
    ours_db = await provision_database(database_admin_url, "audit", passwords["audit"], database=DATABASE)
    urls = await provision_broker(amqp_url, management_url, passwords, virtual_host=VIRTUAL_HOST)
    admin_amqp = amqp_url.rpartition("/")[0] + f"/{VIRTUAL_HOST}"
    admin_db = url_with(database_admin_url, database=DATABASE)
    connection = await asyncpg.connect(admin_db)
    await connection.execute("CREATE TABLE bare (id uuid PRIMARY KEY, body bytea NOT NULL)")
    await connection.close()
    link = await aio_pika.connect(admin_amqp)
    async with link:
        channel = await link.channel()
        arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
        await channel.declare_queue(BARE_QUEUE, durable=True, arguments=arguments)
    try:
        yield (
            {"ours": ours_db, "limit": admin_db},
            {"ours": urls["audit"], "limit": admin_amqp, "fill": urls["request_api"]},
        )
    finally:
        link = await aio_pika.connect(admin_amqp)
        async with link:
            channel = await link.channel()
            for name in (BARE_QUEUE, *(queue_name(service) for service in SERVICES)):
                await channel.queue_delete(name)
        connection = await asyncpg.connect(database_admin_url)
        await connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        await connection.close()


async def run(
    database_admin_url: str, amqp_url: str, management_url: str, *, count: int = EVENTS, rounds: int = ROUNDS
) -> dict[str, float]:
    """Measure; return `ours` and `limit` in events a second, and their `ratio`."""
    best = {"ours": 0.0, "limit": 0.0}
    async with prepared(database_admin_url, amqp_url, management_url) as (databases, brokers):
        for number in range(rounds):
            events = actions(count, first=1 + number * count)
            for role in best:
                if role == "ours":
                    await fill(brokers["fill"], EXCHANGE, None, events, user="request_api")
                else:
                    await fill(brokers["limit"], "", BARE_QUEUE, events, user=None)
                best[role] = max(best[role], await measured(role, databases[role], brokers[role], count))
    return best | {"ratio": best["ours"] / best["limit"]}


async def main() -> None:
    async with servers.own_postgres() as postgres, servers.own_rabbitmq() as rabbitmq:
        result = await run(postgres.url, rabbitmq.amqp_url, rabbitmq.management_url)
    sys.stdout.write(json.dumps({name: round(value, 3) for name, value in result.items()}) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        database, broker = json.load(sys.stdin)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.stdout.write(f"{runner.run(ROLES[sys.argv[1]](database, broker, int(sys.argv[2])))}\n")
    else:
        asyncio.run(main())
