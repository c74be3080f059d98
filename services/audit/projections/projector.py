"""Reads the log by position and has a projection apply it; its position moves in the transaction of its rows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from services.audit.growth import LOOK_AT_LEAST_EVERY_SECONDS, Growth
from services.audit.store import events as log_store
from services.audit.store import projections as store
from shared.database.faults import TRANSIENT, is_transient
from shared.database.pool import Connection, Pool, transaction
from shared.events.envelope import Event, read
from shared.messaging.inbox import REPLAY_LOCK, Handler, Inbox, bury, is_blocked
from shared.observability.metrics import REGISTRY
from shared.waiting import pause

BATCH = 1000
PAUSE_SECONDS = 1.0
# Under a steady load a projection takes what has gathered, and not every commit for itself.
PACE_SECONDS = 0.05

BEHIND = Gauge("lockbox_projection_behind", "Log entries not yet read.", ["projection"], registry=REGISTRY)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Projection:
    """One read model: the tables that are its alone, and what each type of event changes in them.

    `together` applies many at once where that is cheaper; it is used only while nothing of their subjects waits.
    """

    name: str
    tables: Sequence[str]
    handlers: Mapping[str, Handler]
    together: Callable[[Connection, Sequence[Event]], Awaitable[None]] | None = None


class Projector:
    """Keeps one projection up to date. `inbox` has the handlers of all, and parks events in order behind a dead one."""

    def __init__(self, pool: Pool, projection: Projection, inbox: Inbox, growth: Growth) -> None:
        self.name = projection.name
        self._pool = pool
        self._projection = projection
        self._inbox = inbox
        self._growth = growth
        self._types = sorted(projection.handlers)
        self._behind = BEHIND.labels(projection.name)

    async def run(self) -> None:
        """Follow the log until cancelled, through every fault."""
        while True:
            grown = self._growth.now()
            try:
                count = await self.advance()
            except TRANSIENT as error:
                log.warning("projection_interrupted", projection=self._projection.name, error=repr(error))
                await pause(PAUSE_SECONDS)
            except Exception:
                # Whatever it is, stopping here would be worse: the position stays, and somebody is told.
                log.exception("projection_failed", projection=self._projection.name)
                await pause(PAUSE_SECONDS)
            else:
                if count == 0:
                    await self._growth.wait(grown, LOOK_AT_LEAST_EVERY_SECONDS)
                elif count < BATCH:
                    await pause(PACE_SECONDS)

    async def advance(self) -> int:
        """Apply the next batch; return how many entries it read. Raises what is transient."""
        async with transaction(self._pool) as connection:
            position = await store.take_position(connection, self._projection.name)
            await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", REPLAY_LOCK)
            return await self._step(connection, position) - position

    async def rebuild(self) -> int:
        """Empty the projection and fill it from the log; readers see it as it was until it is whole. Return its position."""
        async with transaction(self._pool) as connection:
            await store.take_position(connection, self._projection.name)
            await connection.execute("SELECT pg_advisory_xact_lock($1)", REPLAY_LOCK)
            await store.wipe(connection, self._projection.name, self._projection.tables, self._types)
            position = 0
            while (moved := await self._step(connection, position)) > position:
                position = moved
        log.info("projection_rebuilt", projection=self._projection.name, position=position)
        return position

    async def _step(self, connection: Connection, position: int) -> int:
        end = await log_store.size(connection, None)
        self._behind.set(end - position)
        if position >= end:
            return position
        until = min(position + BATCH, end)
        events = [read(body) for body in await log_store.bodies(connection, position, until, self._types)]
        if events:
            await self._apply(connection, events)
        await store.move(connection, self._projection.name, until)
        return until

    async def _apply(self, connection: Connection, events: Sequence[Event]) -> None:
        try:
            async with connection.transaction():
                if self._projection.together is None or await is_blocked(
                    connection, sorted({event.subject for event in events})
                ):
                    await self._inbox.apply_in_order(connection, events)
                else:
                    await self._projection.together(connection, events)
        except Exception as error:
            if is_transient(error):
                raise
            for event in events:
                await self._apply_alone(connection, event)

    async def _apply_alone(self, connection: Connection, event: Event) -> None:
        """Apply one event in a savepoint; one that fails becomes a dead letter, and its subject waits."""
        try:
            async with connection.transaction():
                await self._inbox.apply_in_order(connection, [event])
        except Exception as error:
            if is_transient(error):
                raise
            await bury(connection, event, error)
