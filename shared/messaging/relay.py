"""The relay: sends what was committed to the outbox, each tenant's events in the order of their numbers.

It sends with a window of confirms, moves each tenant's position over the contiguous confirmed prefix, and after a nack, a
timeout or a lost channel starts again from there: duplicates at most, never a hole and never another number.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import aiormq
import asyncpg
import orjson
import structlog
from aiormq import Channel, spec
from faststream.rabbit import RabbitBroker

from shared.database.faults import TRANSIENT
from shared.database.outbox import WAKE_CHANNEL
from shared.database.pool import Connection, Pool, clock, listening
from shared.events.envelope import CONTENT_TYPE, rfc3339
from shared.messaging.broker import BROKER_FAULTS, open_channel
from shared.messaging.subscriptions import CONTROL_PREFIX
from shared.messaging.topology import EXCHANGE, hash_exchange
from shared.waiting import pause, woken

WINDOW = 500
FETCH = 500
CONFIRM_SECONDS = 10.0
CONTROL_EVERY_SECONDS = 1.0
CONTROL_TTL_MILLISECONDS = "10000"
# Wakes come by NOTIFY; this is for one that was lost with its connection.
LOOK_AT_LEAST_EVERY_SECONDS = 0.5
PAUSE_SECONDS = 0.5
LEADER_LOCK = 7310004
_PERSISTENT = 2

log = structlog.get_logger()

_UNSENT_TENANTS = """
SELECT s.tenant, s.last, coalesce(r.confirmed, 0) AS confirmed
FROM sequences s LEFT JOIN relay r USING (tenant)
WHERE s.last > coalesce(r.confirmed, 0)
ORDER BY s.tenant
"""

_UNSENT_EVENTS = """
SELECT e.tenant, e.sequence, e.id::text AS id, e.type, e.body
FROM unnest($1::text[], $2::bigint[]) AS sent (tenant, until)
CROSS JOIN LATERAL (
    SELECT * FROM events WHERE events.tenant = sent.tenant AND events.sequence > sent.until
    ORDER BY events.sequence LIMIT $3
) AS e
"""

_KEEP_POSITIONS = """
INSERT INTO relay (tenant, confirmed) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (tenant) DO UPDATE SET confirmed = greatest(relay.confirmed, excluded.confirmed)
"""


class TopologyMissing(RuntimeError):
    """The exchange that proves the topology is not there: sending could lose events, so nothing is sent."""


class NotConfirmed(ConnectionError):
    """The broker refused, returned or did not confirm a publication."""


@dataclass(slots=True)
class _Tenant:
    """How far one tenant is: `sent` given to the channel, `confirmed` without a gap, `kept` written down."""

    sent: int
    confirmed: int
    kept: int
    in_flight: deque[tuple[int, "asyncio.Task[None]"]] = field(default_factory=deque)

    def advance(self) -> None:
        """Move `confirmed` over what has been confirmed without a gap."""
        while self.in_flight and self.in_flight[0][1].done():
            sequence, task = self.in_flight.popleft()
            task.result()
            self.confirmed = sequence


@dataclass(slots=True)
class _Barrier:
    """A look for unsent rows: `complete_until` was read before it, `last` is what it saw of each tenant."""

    complete_until: datetime
    last: Mapping[str, int]


class Relay:
    """Sends one service's outbox. Any number may run; the one with the advisory lock sends, which only saves work."""

    def __init__(self, pool: Pool, broker: RabbitBroker, service: str, *, alone: bool = True) -> None:
        self._pool = pool
        self._broker = broker
        self._service = service
        self._alone = alone
        self._state = "starting"

    @property
    def state(self) -> str:
        """`sending`, `standby`, or what keeps it from sending, in words."""
        return self._state

    async def run(self) -> None:
        """Send until cancelled, through every fault of broker and database."""
        while True:
            try:
                await self._lead()
            except TopologyMissing as error:
                self._state = str(error)
                log.error("relay_refuses_to_send", reason=str(error))  # noqa: TRY400 - no traceback helps here
            except (*BROKER_FAULTS, *TRANSIENT) as error:
                self._state = f"interrupted: {error!r}"
                log.warning("relay_interrupted", error=repr(error))
            except Exception as error:
                self._state = f"failed: {error!r}"
                log.exception("relay_failed")
            await pause(PAUSE_SECONDS)

    async def _lead(self) -> None:
        wake = asyncio.Event()

        def heard(*_: object) -> None:
            wake.set()

        async with listening(self._pool, WAKE_CHANNEL, heard) as connection:
            await self._wait_for_leadership(connection)
            await check_topology(self._broker)
            async with open_channel(self._broker, confirms=True) as channel:
                self._state = "sending"
                await _Sending(self._service, connection, channel, wake).run()

    async def _wait_for_leadership(self, connection: Connection) -> None:
        """Return once this relay is the one that sends; the lock ends with its connection."""
        while self._alone and not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
            self._state = "standby"
            await asyncio.sleep(CONTROL_EVERY_SECONDS)


async def check_topology(broker: RabbitBroker) -> None:
    """Raise TopologyMissing unless the exchange with the hash of this topology is there. Needs no right."""
    name = hash_exchange()
    try:
        async with open_channel(broker) as channel:
            await channel.exchange_declare(name, passive=True, timeout=CONFIRM_SECONDS)
    except aiormq.exceptions.ChannelNotFoundEntity:
        raise TopologyMissing(f"the broker has no exchange {name}: declare the topology (lockbox setup)") from None


class _Sending:
    """One stretch of sending over one channel, from the kept positions until a fault."""

    def __init__(self, service: str, connection: Connection, channel: Channel, wake: asyncio.Event) -> None:
        self._service = service
        self._connection = connection
        self._channel = channel
        self._wake = wake
        self._tenants: dict[str, _Tenant] = {}
        self._in_flight: set[asyncio.Task[None]] = set()
        self._window = asyncio.Semaphore(WINDOW)
        self._failure: BaseException | None = None
        self._barrier: _Barrier | None = None
        self._next_control = 0.0

    async def run(self) -> None:
        self._channel.closing.add_done_callback(lambda _: self._wake.set())
        try:
            while True:
                self._wake.clear()
                found = await self._look()
                await self._settle(everything=not found)
                if self._channel.is_closed:
                    raise NotConfirmed("the channel was closed")
                if not found:
                    await woken(self._wake, LOOK_AT_LEAST_EVERY_SECONDS)
        finally:
            for task in self._in_flight:
                task.cancel()
            await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def _look(self) -> bool:
        """Look for unsent rows and send them. Return whether there were any."""
        due = self._barrier is None and asyncio.get_running_loop().time() >= self._next_control
        # Read before the look: whatever was committed before this instant, the look sees.
        complete_until = await clock(self._connection) if due else None
        last: dict[str, int] = {}
        for row in await self._connection.fetch(_UNSENT_TENANTS):
            tenant = self._tenants.get(row["tenant"])
            if tenant is None:
                tenant = self._tenants[row["tenant"]] = _Tenant(row["confirmed"], row["confirmed"], row["confirmed"])
            last[row["tenant"]] = row["last"]
        if complete_until is not None:
            self._barrier = _Barrier(complete_until, last)
            self._next_control = asyncio.get_running_loop().time() + CONTROL_EVERY_SECONDS
        behind = {name: self._tenants[name].sent for name, number in last.items() if number > self._tenants[name].sent}
        if not behind:
            return False
        share = max(FETCH // len(behind), 20)
        for row in await self._connection.fetch(_UNSENT_EVENTS, list(behind), list(behind.values()), share):
            await self._send(row)
        return True

    async def _send(self, row: asyncpg.Record) -> None:
        await self._window.acquire()
        if self._failure is not None:
            raise self._failure
        tenant = self._tenants[row["tenant"]]
        properties = spec.Basic.Properties(
            content_type=CONTENT_TYPE,
            delivery_mode=_PERSISTENT,
            message_id=row["id"],
            message_type=row["type"],
            user_id=self._service,
        )
        task = asyncio.create_task(self._publish(row["body"], row["type"], properties, mandatory=True))
        self._in_flight.add(task)
        task.add_done_callback(self._answered)
        tenant.in_flight.append((row["sequence"], task))
        tenant.sent = row["sequence"]

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._in_flight.discard(task)
        self._window.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error

    async def _publish(self, body: bytes, key: str, properties: spec.Basic.Properties, *, mandatory: bool) -> None:
        confirmed = await self._channel.basic_publish(
            body,
            exchange=EXCHANGE,
            routing_key=key,
            properties=properties,
            mandatory=mandatory,
            timeout=CONFIRM_SECONDS,
            wait=False,
        )
        if not isinstance(confirmed, spec.Basic.Ack):
            raise NotConfirmed(f"{key} was not confirmed: {confirmed!r}")

    async def _settle(self, *, everything: bool) -> None:
        """Note what was confirmed; with `everything`, wait for all that is in flight first."""
        if everything and self._in_flight:
            await asyncio.wait(self._in_flight)
        for tenant in self._tenants.values():
            tenant.advance()
        moved = {name: tenant for name, tenant in self._tenants.items() if tenant.confirmed > tenant.kept}
        if moved:
            await self._connection.execute(
                _KEEP_POSITIONS, list(moved), [tenant.confirmed for tenant in moved.values()]
            )
            for tenant in moved.values():
                tenant.kept = tenant.confirmed
        await self._pass_barrier()

    async def _pass_barrier(self) -> None:
        """Say how far this service is complete, once everything that the barrier's look saw has been confirmed."""
        barrier = self._barrier
        if barrier is None or any(self._tenants[name].confirmed < number for name, number in barrier.last.items()):
            return
        body = orjson.dumps({"service": self._service, "complete_until": rfc3339(barrier.complete_until)})
        properties = spec.Basic.Properties(
            content_type="application/json",
            delivery_mode=1,
            expiration=CONTROL_TTL_MILLISECONDS,
            user_id=self._service,
        )
        await self._publish(body, CONTROL_PREFIX + self._service, properties, mandatory=False)
        self._barrier = None
