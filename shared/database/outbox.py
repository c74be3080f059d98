"""The outbox: events are appended in the transaction of the state that they speak of, and the relay sends them."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from shared.database.pool import Connection
from shared.events.envelope import Draft, Event, write

WAKE_CHANNEL = "lockbox_events"

# One statement for any number of tenants. The rows are locked in tenant order, so that two batches cannot deadlock:
# the upsert takes them one after the other as unnest gives them.
_TAKE_NUMBERS = """
INSERT INTO sequences AS s (tenant, last)
SELECT tenant, count FROM unnest($1::text[], $2::bigint[]) AS wanted (tenant, count) ORDER BY tenant COLLATE "C"
ON CONFLICT (tenant) DO UPDATE SET last = s.last + excluded.last
RETURNING tenant, last
"""

# Written and told to the relay in one statement.
_INSERT = f"""
WITH written AS (
    INSERT INTO events (tenant, sequence, id, type, subject, revision, time, body)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::integer[], $7::timestamptz[],
                         $8::bytea[])
)
SELECT pg_notify('{WAKE_CHANNEL}', '')
"""  # noqa: S608 - The channel is a constant.


async def append(connection: Connection, service: str, drafts: Sequence[Draft], *, now: datetime) -> list[Event]:
    """Write events into the outbox, as the last thing that a transaction does, and return them in the order given.

    `now` is the database's clock, read after the row locks. The tenants' counters are the last locks that the transaction
    takes, and are held until it ends: number order is commit order. Raises EventTooLarge, and asyncpg's UniqueViolationError
    when somebody else has changed the same revision of a subject.
    """
    if not drafts:
        return []
    wanted = Counter(draft.tenant for draft in drafts)
    rows = await connection.fetch(_TAKE_NUMBERS, list(wanted.keys()), list(wanted.values()))
    following = {row["tenant"]: row["last"] - wanted[row["tenant"]] for row in rows}
    events = []
    for draft in drafts:
        following[draft.tenant] += 1
        events.append(write(draft, service=service, sequence=following[draft.tenant], time=now))
    await connection.execute(
        _INSERT,
        [event.tenant for event in events],
        [event.sequence for event in events],
        [event.id for event in events],
        [event.type for event in events],
        [event.subject for event in events],
        [draft.revision for draft in drafts],
        [event.time for event in events],
        [event.raw for event in events],
    )
    return events


async def prune(connection: Connection, *, days: int = 7) -> int:
    """Remove events that the broker confirmed and that are older than `days`; the log has them. Return how many."""
    status: str = await connection.execute(
        """DELETE FROM events USING relay
           WHERE events.tenant = relay.tenant AND events.sequence <= relay.confirmed
             AND events.time < clock_timestamp() - make_interval(days => $1)""",
        days,
    )
    return int(status.rpartition(" ")[2])
