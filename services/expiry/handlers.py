"""What expiry does with the events that it hears: it keeps what is known of the request, and its timers, up to date."""

from services.expiry import store
from services.expiry.domain import CHANGES, evolve
from shared.database.pool import Connection
from shared.events.envelope import Event
from shared.messaging.inbox import Handler


async def fold(connection: Connection, event: Event) -> None:
    """Set or cancel the timers that follow from an event."""
    known = await store.lock(connection, event.subject, event.tenant)
    await store.save(connection, evolve(known, event))


HANDLERS: dict[str, Handler] = dict.fromkeys(CHANGES, fold)
