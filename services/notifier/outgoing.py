"""The SQL of deliveries: what is due, who holds it, and how it ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.database.pool import Connection

# Rows that another instance is trying right now are passed over. The clock is read once, so that the index bounds the search.
_NEXT = """
SELECT d.id, d.attempts FROM deliveries d
WHERE d.state = 'waiting' AND d.due_at <= (SELECT clock_timestamp())
ORDER BY d.due_at LIMIT 1
FOR UPDATE OF d SKIP LOCKED
"""

_COUNT_TRY = """
UPDATE deliveries d SET attempts = d.attempts + 1, due_at = clock_timestamp() + $2
FROM mails m WHERE d.id = $1 AND m.event_id = d.event_id AND m.audience = d.audience
RETURNING d.id, d.attempts, d.channel, d.recipient, d.event_id, m.about, m.tenant, m.request_id, m.subject, m.text, m.html,
          m.made_at
"""

# The number of the try says that nobody else has begun a newer one.
_HOLD = """
SELECT true FROM deliveries WHERE id = $1 AND state = 'waiting' AND attempts = $2 FOR UPDATE SKIP LOCKED
"""

_SECONDS_LEFT = """
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM deliveries WHERE state = 'waiting'
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A mail for one recipient, at its `attempts`-th try."""

    id: str
    attempts: int
    channel: str
    recipient: str
    event_id: str
    about: str
    tenant: str
    request_id: str
    subject: str
    text: str
    html: str
    made_at: datetime


async def next_due(connection: Connection) -> tuple[str, int] | None:
    """Lock the delivery that has been due for longest, and return its id and the number of tries so far."""
    row = await connection.fetchrow(_NEXT)
    return None if row is None else (str(row["id"]), row["attempts"])


async def count_try(connection: Connection, delivery_id: str, *, again_in: timedelta) -> Delivery:
    """Count a try before it is made; if nothing else is heard of it, the next is due in `again_in`."""
    row = await connection.fetchrow(_COUNT_TRY, delivery_id, again_in)
    assert row is not None
    return Delivery(**{**row, "id": str(row["id"]), "event_id": str(row["event_id"])})


async def hold(connection: Connection, delivery: Delivery) -> bool:
    """Lock a delivery for the length of its try. False when somebody else holds it, or has gone on with it."""
    held: bool | None = await connection.fetchval(_HOLD, delivery.id, delivery.attempts)
    return bool(held)


async def keep_outcome(
    connection: Connection, delivery_id: str, state: str, error: str | None, *, now: datetime
) -> None:
    """Note how a delivery ended: `delivered` or `failed`."""
    await connection.execute(
        "UPDATE deliveries SET state = $2, error = $3, settled_at = $4 WHERE id = $1", delivery_id, state, error, now
    )


async def keep_error(connection: Connection, delivery_id: str, error: str) -> None:
    """Note why a try did not succeed; the next is due already."""
    await connection.execute("UPDATE deliveries SET error = $2 WHERE id = $1", delivery_id, error)


async def seconds_left(connection: Connection) -> float | None:
    """Return how long it is to the next delivery (negative when it is overdue), or None when nothing waits."""
    left: float | None = await connection.fetchval(_SECONDS_LEFT)
    return left
