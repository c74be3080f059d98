"""Sends what is due. Any number of instances may run; a mail that a server took is sent again only when its acceptance was lost.

A try is counted and its successor scheduled before it begins; then its row stays locked until the outcome, with its event, is
committed. A process that dies in between lets the lock go, and the next try carries the same Message-ID.
"""

import asyncio
from collections.abc import Sequence

import structlog
from prometheus_client import Counter

from services.notifier import outgoing
from services.notifier.compose import compose
from services.notifier.outgoing import Delivery
from shared.database import outbox
from shared.database.faults import TRANSIENT
from shared.database.pool import ACQUIRE_SECONDS, Connection, Pool, clock, transaction
from shared.events.envelope import Draft, Event, service_actor
from shared.events.log import NotificationDelivered, NotificationFailed
from shared.mail.message import envelope_sender
from shared.mail.smtp import MailServer, NotNow, Refused, Session, Unreachable
from shared.mail.tries import Backoff, to_its_end
from shared.observability.metrics import REGISTRY
from shared.waiting import pause, woken

# For what another instance made, and died before it sent it.
LOOK_AT_LEAST_EVERY_SECONDS = 5.0
# Something is overdue and somebody else is at it.
LOCKED_ELSEWHERE_SECONDS = 0.2
RETRY_SECONDS = 1.0
ACTOR = service_actor("notifier")

MAILS = Counter("lockbox_mails_total", "Tries to hand a mail in, by how they ended", ["outcome"], registry=REGISTRY)

log = structlog.get_logger(__name__)


class Sending:
    """One instance: a few workers, each with a connection to the mail server while there is something to send."""

    def __init__(self, server: MailServer, mail_from: str, *, backoff: Backoff | None = None, workers: int = 4) -> None:
        self._server = server
        self._from = mail_from
        self._backoff = backoff or Backoff()
        self._wakes = [asyncio.Event() for _ in range(workers)]

    def heard(self, _: Sequence[Event]) -> None:
        """Look again: events took effect, and may have made mails."""
        for wake in self._wakes:
            wake.set()

    async def run(self, pool: Pool) -> None:
        """Send until cancelled, through every fault of database and mail server."""
        async with asyncio.TaskGroup() as workers:
            for wake in self._wakes:
                workers.create_task(self._work(pool, wake))

    async def _work(self, pool: Pool, wake: asyncio.Event) -> None:
        task = asyncio.current_task()
        # The mail client's own waits may swallow a cancellation: it is seen here at the latest.
        while task is None or not task.cancelling():
            wake.clear()
            try:
                await self._send_all(pool)
                idle = await self._idle(pool)
            except TRANSIENT as error:
                log.warning("sending_interrupted", error=repr(error), retry_in=RETRY_SECONDS)
                await pause(RETRY_SECONDS)
            except Exception:
                # The deliveries stay where they are, and somebody is told.
                log.exception("sending_failed", retry_in=RETRY_SECONDS)
                await pause(RETRY_SECONDS)
            else:
                await woken(wake, idle)

    async def _idle(self, pool: Pool) -> float:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            left = await outgoing.seconds_left(connection)
        if left is None:
            return LOOK_AT_LEAST_EVERY_SECONDS
        return min(max(left, LOCKED_ELSEWHERE_SECONDS), LOOK_AT_LEAST_EVERY_SECONDS)

    async def _send_all(self, pool: Pool) -> None:
        """Send until nothing is due, over one connection as long as it holds."""
        delivery = await self._begin(pool)
        while delivery is not None:
            try:
                async with self._server.connected() as session:
                    while delivery is not None and session.is_open:
                        await to_its_end(self._send(pool, session, delivery))
                        delivery = await self._begin(pool)
            except Unreachable as error:
                assert delivery is not None
                await self._not_now(pool, delivery, error)
                log.warning("mail_server_unreachable", error=str(error))
                return

    async def _begin(self, pool: Pool) -> Delivery | None:
        """Count a try of what has been due for longest. What was tried often enough is recorded as failed instead."""
        while True:
            async with transaction(pool) as connection:
                due = await outgoing.next_due(connection)
                if due is None:
                    return None
                delivery_id, attempts = due
                delivery = await outgoing.count_try(connection, delivery_id, again_in=self._backoff.after(attempts + 1))
                if attempts < self._backoff.tries:
                    return delivery
                # The last try never came to an end: the process did.
                await self._give_up(connection, delivery, f"given up after {attempts} tries")
            MAILS.labels("failed").inc()

    async def _send(self, pool: Pool, session: Session, delivery: Delivery) -> None:
        """Make one try, and commit its outcome while the row is locked."""
        outcome = "delivered"
        async with transaction(pool) as connection:
            if not await outgoing.hold(connection, delivery):
                return
            try:
                message = compose(delivery, self._from)
                await session.send(message, sender=envelope_sender(self._from), recipient=delivery.recipient)
            except (ValueError, Refused) as error:
                # No message can be made for this recipient, or the server will never take it.
                outcome = "failed"
                await self._give_up(connection, delivery, str(error))
            except NotNow as error:
                outcome = await self._postpone(connection, delivery, str(error))
            else:
                now = await clock(connection)
                await outgoing.keep_outcome(connection, delivery.id, "delivered", None, now=now)
                await outbox.append(connection, "notifier", [_delivered(delivery)], now=now)
        MAILS.labels(outcome).inc()
        log.info(
            "mail_tried",
            outcome=outcome,
            delivery_id=delivery.id,
            attempt=delivery.attempts,
            about=delivery.about,
            request_id=delivery.request_id,
            tenant=delivery.tenant,
        )

    async def _not_now(self, pool: Pool, delivery: Delivery, error: Exception) -> None:
        async with transaction(pool) as connection:
            if not await outgoing.hold(connection, delivery):
                return
            outcome = await self._postpone(connection, delivery, str(error))
        MAILS.labels(outcome).inc()

    async def _postpone(self, connection: Connection, delivery: Delivery, reason: str) -> str:
        """Leave a delivery to its next try, or give it up when this was the last."""
        if delivery.attempts < self._backoff.tries:
            await outgoing.keep_error(connection, delivery.id, reason)
            return "postponed"
        await self._give_up(connection, delivery, f"given up after {delivery.attempts} tries: {reason}")
        return "failed"

    async def _give_up(self, connection: Connection, delivery: Delivery, reason: str) -> None:
        now = await clock(connection)
        await outgoing.keep_outcome(connection, delivery.id, "failed", reason, now=now)
        await outbox.append(connection, "notifier", [_failed(delivery, reason)], now=now)


def _facts(delivery: Delivery) -> dict[str, str]:
    return {
        "notification_id": delivery.id,
        "request_id": delivery.request_id,
        "about": delivery.about,
        "channel": delivery.channel,
        "recipient": delivery.recipient,
    }


def _draft(delivery: Delivery, data: NotificationDelivered | NotificationFailed) -> Draft:
    return Draft(
        data=data,
        tenant=delivery.tenant,
        subject=delivery.request_id,
        actor=ACTOR,
        correlation_id=delivery.request_id,
        causation_id=delivery.event_id,
    )


def _delivered(delivery: Delivery) -> Draft:
    return _draft(delivery, NotificationDelivered(**_facts(delivery)))


def _failed(delivery: Delivery, reason: str) -> Draft:
    return _draft(delivery, NotificationFailed(**_facts(delivery), reason=reason))
