"""What runs inside every service besides its HTTP: the pool, the relay, the intake, and the housekeeping."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from shared.database import outbox
from shared.database.faults import TRANSIENT
from shared.database.pool import Connection, Pool, open_pool, transaction
from shared.events.envelope import Event
from shared.messaging.broker import BROKER_FAULTS, make_broker
from shared.messaging.inbox import Handler, Inbox, Lock
from shared.messaging.intake import Apply, Intake
from shared.messaging.relay import Relay
from shared.messaging.topology import queue_name
from shared.waiting import pause
from shared.web import idempotency

HOUSEKEEPING_SECONDS = 600.0
START_RETRY_SECONDS = 1.0

log = structlog.get_logger()

Check = Callable[[], Awaitable[str | None]]
Forget = Callable[[Connection], Awaitable[object]]


@dataclass
class Service:
    """A running service. One that applies deliveries in its own way sets its `inbox` itself, for replays (audit)."""

    name: str
    pool: Pool
    relay: Relay
    intake: Intake
    inbox: Inbox | None
    tasks: list["asyncio.Task[Any]"]

    def run(self, work: Awaitable[Any], *, name: str) -> None:
        """Have a task of the service's own run until the service stops."""
        self.tasks.append(asyncio.create_task(_reported(work, name), name=name))

    def checks(self) -> dict[str, Check]:
        """What readiness looks at: each answers None when all is well, else what is not."""
        return {"database": self._database, "broker": self._consumer, "relay": self._sending}

    async def _database(self) -> str | None:
        try:
            async with self.pool.acquire(timeout=2) as connection:
                await connection.fetchval("SELECT 1", timeout=2)
        except TRANSIENT as error:
            return f"the database does not answer: {error!r}"
        return None

    async def _consumer(self) -> str | None:
        try:
            consumers = await self.intake.consumers()
        except BROKER_FAULTS as error:
            return f"the queue {queue_name(self.name)} is not consumed: {error}"
        return None if consumers > 0 else f"the queue {queue_name(self.name)} has no consumer"

    async def _sending(self) -> str | None:
        return None if self.relay.state in ("sending", "standby") else self.relay.state


async def _reported(work: Awaitable[Any], name: str) -> None:
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("task_ended", task=name)
        raise


@contextlib.asynccontextmanager
async def running(
    name: str,
    *,
    database_url: str,
    amqp_url: str,
    pool_size: int = 10,
    handlers: Mapping[str, Handler] | None = None,
    applied: Callable[[Sequence[Event]], None] = lambda _: None,
    lock: Lock | None = None,
    make_apply: Callable[[Pool], Apply] | None = None,
    forget: Sequence[Forget] = (),
) -> AsyncIterator[Service]:
    """Run a service's messaging for the length of the block: its relay and its intake, with either way of applying.

    `handlers` go through the inbox (`applied` and `lock` are its); `make_apply` gives a service its own way instead. `forget`
    are the service's own prunings, beside those of the kernel's tables. At the end everything stops without an
    acknowledgement of what is not durable.
    """
    pool = await _first_pool(database_url, name, pool_size)
    sending = make_broker(amqp_url, service=name, purpose="relay")
    receiving = make_broker(amqp_url, service=name, purpose="intake")
    inbox = Inbox(pool, name, handlers, applied=applied, lock=lock) if handlers is not None else None
    if make_apply is not None:
        apply = make_apply(pool)
    elif inbox is not None:
        apply = inbox.apply
    else:
        raise ValueError("a service needs handlers or a way of its own to apply deliveries")
    service = Service(
        name=name,
        pool=pool,
        relay=Relay(pool, sending, name),
        intake=Intake(receiving, queue_name(name), apply),
        inbox=inbox,
        tasks=[],
    )
    service.run(service.relay.run(), name="relay")
    service.run(service.intake.run(), name="intake")
    service.run(_housekeeping(pool, [outbox.prune, idempotency.prune, *forget]), name="housekeeping")
    try:
        yield service
    finally:
        for task in reversed(service.tasks):
            task.cancel()
        await asyncio.gather(*service.tasks, return_exceptions=True)
        for broker in (receiving, sending):
            await broker.stop()
        await asyncio.wait_for(pool.close(), 5)


async def _first_pool(url: str, name: str, size: int) -> Pool:
    """Open the pool, waiting for a database that is not there yet."""
    while True:
        try:
            return await open_pool(url, service=name, size=size)
        except TRANSIENT as error:
            log.warning("database_not_there_yet", error=repr(error))
            await asyncio.sleep(START_RETRY_SECONDS)


async def _housekeeping(pool: Pool, forget: Sequence[Forget]) -> None:
    """Forget what is no longer needed, each kind in a transaction of its own, until cancelled."""
    while True:
        await pause(HOUSEKEEPING_SECONDS)
        for prune in forget:
            try:
                async with transaction(pool) as connection:
                    await prune(connection)
            except TRANSIENT as error:
                log.warning("housekeeping_postponed", error=repr(error))
