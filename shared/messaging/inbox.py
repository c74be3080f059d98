"""The inbox: a batch of deliveries takes effect once, in order, in one transaction.

Duplicates are passed over; what cannot be attributed goes to `quarantine`; what fails when applied alone goes to
`dead_letters` and blocks its subject; what comes before the state it needs is parked until that is there.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum

import orjson
import structlog
from prometheus_client import Counter
from structlog.contextvars import bound_contextvars

from shared.database.faults import is_transient
from shared.database.pool import Connection, Pool, transaction
from shared.events.envelope import Event, read
from shared.messaging.delivery import Control, Delivery, Quarantined, check
from shared.messaging.subscriptions import CONSUMES, LISTENS_TO
from shared.observability.metrics import REGISTRY

log = structlog.get_logger()

QUARANTINED = Counter(
    "lockbox_quarantined_total", "Messages that could not be attributed to the owner of their type", registry=REGISTRY
)
DEAD = Counter("lockbox_dead_letters_total", "Events that failed when applied alone", ["type"], registry=REGISTRY)


class Outcome(Enum):
    """What a handler may answer instead of nothing."""

    NOT_YET = "the state that this event needs is not there yet"


Handler = Callable[[Connection, Event], Awaitable[Outcome | None]]
Lock = Callable[[Connection, Sequence[Event]], Awaitable[None]]

# A batch holds it shared, a replay alone: so no event slips behind a dead letter while that is being replayed.
REPLAY_LOCK = 7310003


class Inbox:
    """Applies deliveries with a service's handlers, one for each type that the service consumes.

    A handler works on the connection of the batch's transaction. It raises a transient fault to have the batch tried again
    later, anything else when the event cannot be applied; it answers Outcome.NOT_YET when an earlier event of the same subject
    is missing. `applied` is called with the events that took effect, after the commit. `lock` takes the rows that a batch's
    new events will change, in subject order, before the first is applied: in order of arrival, a batch and a command that
    holds several rows (or a tenant's counter) could wait for each other.
    """

    def __init__(
        self,
        pool: Pool,
        service: str,
        handlers: Mapping[str, Handler],
        *,
        applied: Callable[[Sequence[Event]], None] = lambda _: None,
        lock: Lock | None = None,
    ) -> None:
        self._pool = pool
        self._consumes = CONSUMES[service]
        self._listens_to = LISTENS_TO.get(service, frozenset())
        self._handlers = handlers
        self._applied = applied
        self._lock = lock

    async def apply(self, deliveries: Sequence[Delivery]) -> None:
        """Make a batch's effects durable. Raises only what is transient, and then nothing has changed."""
        items = [check(delivery, consumes=self._consumes, listens_to=self._listens_to) for delivery in deliveries]
        try:
            done = await self._apply_together(items)
        except Exception as error:
            if is_transient(error):
                raise
            done = await self._apply_alone(items)
        if done:
            self.took_effect(done)

    async def _apply_together(self, items: Sequence[Event | Control | Quarantined]) -> list[Event]:
        async with transaction(self._pool) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", REPLAY_LOCK)
            events = await self._new_events(connection, items)
            if events and self._lock is not None:
                await self._lock(connection, events)
            done = await self.apply_in_order(connection, events)
            for item in items:
                if isinstance(item, Control):
                    await _keep_freshness(connection, item)
                elif isinstance(item, Quarantined):
                    await quarantine(connection, item)
        return done

    async def _apply_alone(self, items: Sequence[Event | Control | Quarantined]) -> list[Event]:
        done = []
        for item in items:
            try:
                done += await self._apply_together([item])
            except Exception as error:
                if is_transient(error) or not isinstance(item, Event):
                    raise
                await self._bury(item, error)
        return done

    async def _new_events(self, connection: Connection, items: Sequence[Event | Control | Quarantined]) -> list[Event]:
        first = {item.id: item for item in reversed(items) if isinstance(item, Event)}
        if not first:
            return []
        rows = await connection.fetch(
            "INSERT INTO inbox (event_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id::text",
            sorted(first),
        )
        new = {row["event_id"] for row in rows}
        return [item for item in items if isinstance(item, Event) and item.id in new and first[item.id] is item]

    async def apply_in_order(self, connection: Connection, events: Sequence[Event]) -> list[Event]:
        """Apply events that are new here, each behind what its subject waits for. Return those that took effect."""
        if not events:
            return []
        subjects = sorted({event.subject for event in events})
        rows = await connection.fetch(
            """SELECT subject, 'dead' AS what FROM dead_letters WHERE subject = ANY($1) AND replayed_at IS NULL
               UNION SELECT subject, waits_for FROM parked WHERE subject = ANY($1)""",
            subjects,
        )
        held_up = {row["subject"] for row in rows if row["what"] != "state"}
        waiting = {row["subject"] for row in rows if row["what"] == "state"}
        done: list[Event] = []
        for event in events:
            if event.subject in held_up:
                await _park(connection, event, "dead_letter")
            else:
                took_effect = await self.apply_one(connection, event, waiting=event.subject in waiting)
                if not took_effect:
                    waiting.add(event.subject)
                done += took_effect
        return done

    async def apply_one(self, connection: Connection, event: Event, *, waiting: bool = True) -> list[Event]:
        """Apply one event, and then what of its subject waited for it; park it where its own state is missing.

        `waiting` is false where nothing of the subject is known to wait. Returns the events that took effect.
        """
        if await self._handle(connection, event) is Outcome.NOT_YET:
            await _park(connection, event, "state")
            return []
        return [event, *(await self._retry_parked(connection, event.subject) if waiting else [])]

    def took_effect(self, events: Sequence[Event]) -> None:
        """Tell the service, after the commit."""
        self._applied(events)

    async def _handle(self, connection: Connection, event: Event) -> Outcome | None:
        with bound_contextvars(event_id=event.id, tenant=event.tenant):
            return await self._handlers[event.type](connection, event)

    async def _retry_parked(self, connection: Connection, subject: str) -> list[Event]:
        """Apply what waited for state, in the order of arrival, until nothing more moves."""
        done: list[Event] = []
        moved = True
        while moved:
            moved = False
            rows = await connection.fetch(
                "SELECT position, body FROM parked WHERE subject = $1 AND waits_for = 'state' ORDER BY position",
                subject,
            )
            for row in rows:
                event = read(row["body"])
                if await self._handle(connection, event) is Outcome.NOT_YET:
                    continue
                await connection.execute("DELETE FROM parked WHERE position = $1", row["position"])
                done.append(event)
                moved = True
        return done

    async def _bury(self, event: Event, error: Exception) -> None:
        """Keep a poison event aside. Its subject is blocked from now on."""
        async with transaction(self._pool) as connection:
            # Shared with nobody who replays: a replay that ran meanwhile has ended, and the block is seen by the next batch.
            await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", REPLAY_LOCK)
            await connection.execute("INSERT INTO inbox (event_id) VALUES ($1) ON CONFLICT DO NOTHING", event.id)
            await bury(connection, event, error)


async def bury(connection: Connection, event: Event, error: Exception) -> None:
    """Write an event into `dead_letters`, or count one more attempt where it is there already."""
    await connection.execute(
        """INSERT INTO dead_letters (event_id, tenant, subject, type, source, body, error)
           VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (event_id) DO UPDATE
              SET attempts = dead_letters.attempts + 1, error = excluded.error, replayed_at = NULL, replayed_by = NULL""",
        event.id,
        event.tenant,
        event.subject,
        event.type,
        event.source,
        event.raw,
        f"{type(error).__name__}: {error}",
    )
    DEAD.labels(event.type).inc()
    log.error("event_dead", event_id=event.id, type=event.type, subject=event.subject, error=repr(error))


async def blocked(connection: Connection, subjects: Sequence[str]) -> frozenset[str]:
    """Return those of the subjects whose state a dead letter, or what waits behind one, leaves in doubt."""
    rows = await connection.fetch(
        """SELECT subject FROM dead_letters WHERE subject = ANY($1) AND replayed_at IS NULL
           UNION SELECT subject FROM parked WHERE subject = ANY($1) AND waits_for = 'dead_letter'""",
        list(subjects),
    )
    return frozenset(row["subject"] for row in rows)


async def is_blocked(connection: Connection, subjects: Sequence[str]) -> bool:
    """Say whether a dead letter, or what waits behind one, leaves the state of one of these subjects in doubt."""
    return bool(await blocked(connection, subjects))


async def _park(connection: Connection, event: Event, waits_for: str) -> None:
    await connection.execute(
        "INSERT INTO parked (event_id, subject, waits_for, body) VALUES ($1, $2, $3, $4)",
        event.id,
        event.subject,
        waits_for,
        event.raw,
    )


async def _keep_freshness(connection: Connection, control: Control) -> None:
    await connection.execute(
        """INSERT INTO freshness (service, complete_until) VALUES ($1, $2)
           ON CONFLICT (service) DO UPDATE
              SET complete_until = greatest(freshness.complete_until, excluded.complete_until)""",
        control.service,
        control.complete_until,
    )


async def quarantine(connection: Connection, item: Quarantined) -> None:
    """Keep a message that cannot be attributed, and say so."""
    delivery = item.delivery
    await connection.execute(
        """INSERT INTO quarantine (reason, user_id, routing_key, headers, digest, body)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        item.reason.replace("\x00", "\\0"),
        delivery.user_id,
        delivery.routing_key.replace("\x00", "\\0"),
        orjson.dumps(dict(delivery.headers), default=repr, option=orjson.OPT_NON_STR_KEYS)
        .decode()
        .replace("\\u0000", "\\\\0"),
        hashlib.sha256(delivery.body).hexdigest(),
        delivery.body,
    )
    QUARANTINED.inc()
    log.error("message_quarantined", reason=item.reason, user_id=delivery.user_id, routing_key=delivery.routing_key)
