"""From the queue into the log: a batch of deliveries is one transaction, and what cannot be attributed is set aside and noted."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import structlog

from services.audit.store import log as store
from shared.database.faults import is_transient
from shared.database.pool import Pool, transaction
from shared.events.envelope import MAX_EVENT_BYTES, PROVIDER, Draft, Event, service_actor
from shared.events.log import MessageQuarantined
from shared.messaging.delivery import Control, Delivery, Quarantined, check
from shared.messaging.inbox import quarantine
from shared.messaging.subscriptions import CONSUMES

# What is indexed must fit into an index; every id and name of ours is far shorter.
LONGEST_NAME = 255
# A reason may repeat what an attacker wrote.
LONGEST_REASON = 500
_CONSUMES = CONSUMES[store.SERVICE]
_NOBODY: frozenset[str] = frozenset()

log = structlog.get_logger(__name__)


class Ingest:
    """Appends what the intake delivers. Only the newest attribution is believed: see `shared.messaging.delivery`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def apply(self, deliveries: Sequence[Delivery]) -> None:
        """Make a batch durable, each event once. Raises only what is transient, and then nothing has changed."""
        items = [attribute(delivery) for delivery in deliveries]
        try:
            await self._together(deliveries, items)
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("batch_not_stored", events=len(items))
            for delivery, item in zip(deliveries, items, strict=True):
                await self._alone(delivery, item)

    async def _together(self, deliveries: Sequence[Delivery], items: Sequence[Event | Quarantined]) -> None:
        events = [item for item in items if isinstance(item, Event)]
        aside = [item for item in items if isinstance(item, Quarantined)]
        async with transaction(self._pool) as connection:
            await store.lock(connection)
            contradicting = await store.append(connection, events) if events else []
            for event in contradicting:
                delivery = next(one for one, item in zip(deliveries, items, strict=True) if item is event)
                aside.append(Quarantined(delivery, "the log has other bytes under this source and id"))
            if aside:
                for one in aside:
                    await quarantine(connection, one)
                await store.record(connection, [noted(one) for one in aside])

    async def _alone(self, delivery: Delivery, item: Event | Quarantined) -> None:
        """Store one; what cannot be stored for what it holds is set aside, so that nothing waits behind it."""
        try:
            await self._together([delivery], [item])
        except Exception as error:
            if is_transient(error) or isinstance(item, Quarantined):
                raise
            await self._together([delivery], [Quarantined(delivery, f"it cannot be stored: {type(error).__name__}")])


def attribute(delivery: Delivery) -> Event | Quarantined:
    """Say whose event a delivery is, or why it cannot be logged as one."""
    item = check(delivery, consumes=_CONSUMES, listens_to=_NOBODY)
    if isinstance(item, Event):
        if len(item.raw) > MAX_EVENT_BYTES:
            return Quarantined(delivery, f"it is longer than {MAX_EVENT_BYTES} bytes")
        correlation = item.correlation_id
        if correlation is not None and (not isinstance(correlation, str) or "\x00" in correlation):
            return Quarantined(delivery, "correlationid is not a text")
        if max(len(item.tenant), len(item.subject), len(correlation or "")) > LONGEST_NAME:
            return Quarantined(delivery, "tenantid, subject or correlationid is too long")
        return item
    if isinstance(item, Control):
        return Quarantined(delivery, "a control message, to which nobody here listens")
    return replace(item, reason=item.reason[:LONGEST_REASON])


def noted(item: Quarantined) -> Draft:
    """Tell the provider's log of a message that was set aside."""
    delivery = item.delivery
    return Draft(
        data=MessageQuarantined(
            digest=hashlib.sha256(delivery.body).hexdigest(),
            user=delivery.user_id,
            routing_key=delivery.routing_key,
            reason=item.reason,
        ),
        tenant=PROVIDER,
        subject=PROVIDER,
        actor=service_actor(store.SERVICE),
    )
