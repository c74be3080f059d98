"""Fires timers when their time has come. Any number of instances may run; each timer fires once.

It sleeps until the next timer is due and looks again at once when one is set; nothing is kept in memory, so a restart, or a
day's outage, only makes what is overdue come late.
"""

import asyncio
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Histogram

from services.expiry import store
from services.expiry.store import Due
from shared.database import outbox
from shared.database.faults import TRANSIENT
from shared.database.pool import ACQUIRE_SECONDS, Pool, clock, transaction
from shared.events.envelope import Draft, Event, service_actor
from shared.observability.metrics import REGISTRY
from shared.waiting import pause, woken

BATCH = 200
# For a timer that another instance set, and died before it fired it.
LOOK_AT_LEAST_EVERY_SECONDS = 5.0
# An overdue timer that could not be taken is in somebody else's transaction, which is short.
LOCKED_ELSEWHERE_SECONDS = 0.05
RETRY_SECONDS = 1.0
ACTOR = service_actor("expiry")

FIRED = Counter("lockbox_timers_fired_total", "Timers that fired", ["kind"], registry=REGISTRY)
LATE = Histogram(
    "lockbox_timer_late_seconds",
    "How long after its time a timer fired",
    registry=REGISTRY,
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600),
)

log = structlog.get_logger(__name__)


class Firing:
    """One instance's loop."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()

    def heard(self, _: Sequence[Event]) -> None:
        """Look again: events took effect, and may have set a timer that is due before all others."""
        self._wake.set()

    async def run(self, pool: Pool) -> None:
        """Fire until cancelled, through every fault of the database."""
        while True:
            self._wake.clear()
            try:
                idle = await self._look(pool)
            except TRANSIENT as error:
                log.warning("timers_interrupted", error=repr(error), retry_in=RETRY_SECONDS)
                await pause(RETRY_SECONDS)
            except Exception:
                # The timers stay where they are, and somebody is told.
                log.exception("timers_failed", retry_in=RETRY_SECONDS)
                await pause(RETRY_SECONDS)
            else:
                await woken(self._wake, idle)

    async def _look(self, pool: Pool) -> float:
        """Fire all that is due. Return for how long there is nothing to do."""
        while await fire(pool, limit=BATCH) == BATCH:
            pass
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            left = await store.seconds_left(connection)
        if left is None:
            return LOOK_AT_LEAST_EVERY_SECONDS
        return min(max(left, LOCKED_ELSEWHERE_SECONDS), LOOK_AT_LEAST_EVERY_SECONDS)


async def fire(pool: Pool, *, limit: int) -> int:
    """Fire at most `limit` timers whose time has come, each with its event in the same transaction. Return how many."""
    async with transaction(pool) as connection:
        due = await store.take_due(connection, limit)
        if not due:
            return 0
        now = await clock(connection)
        drafts, revisions = _drafts(due)
        await store.keep_fired(connection, due, revisions, now=now)
        events = await outbox.append(connection, "expiry", drafts, now=now)
    for one, event in zip(due, events, strict=True):
        FIRED.labels(one.kind).inc()
        LATE.observe((now - one.due_at).total_seconds())
        log.info("timer_fired", kind=one.kind, request_id=event.subject, tenant=event.tenant, event_id=event.id)
    return len(due)


def _drafts(due: Sequence[Due]) -> tuple[list[Draft], dict[str, int]]:
    revisions = {one.known.request_id: one.revision for one in due}
    drafts = []
    for one in due:
        request_id = one.known.request_id
        revisions[request_id] += 1
        drafts.append(
            Draft(
                data=one.known.due(one.kind),
                tenant=one.known.tenant,
                subject=request_id,
                actor=ACTOR,
                revision=revisions[request_id],
                correlation_id=request_id,
                causation_id=one.caused_by,
            )
        )
    return drafts, revisions
