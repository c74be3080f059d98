"""Appending to the log: the one way by which events get in, whoever sent them."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from shared.database import outbox
from shared.database.pool import Connection, clock
from shared.events.envelope import Draft, Event

SERVICE = "audit"
# Held from before the first look at the log until the commit: the next to append sees all that was appended, and the order
# of positions is the order of commits. It is the first lock of every transaction that appends, so none waits in a circle.
APPEND_LOCK = 7310010
GROWTH_CHANNEL = "lockbox_log"

_KNOWN = "SELECT event_id::text, source, digest FROM leaves WHERE event_id = ANY($1::uuid[])"

_TAKE_INDEXES = """
INSERT INTO heads AS h (tenant, size)
SELECT tenant, count FROM unnest($1::text[], $2::bigint[]) AS wanted (tenant, count) ORDER BY tenant COLLATE "C"
ON CONFLICT (tenant) DO UPDATE SET size = h.size + excluded.size
RETURNING tenant, size
"""

# Who waits for new entries is woken at the commit.
_TAKE_POSITIONS = f"UPDATE log_end SET position = position + $1 RETURNING position, pg_notify('{GROWTH_CHANNEL}', '')"  # noqa: S608

_LEAF = (
    "position",
    "tenant",
    "leaf_index",
    "event_id",
    "digest",
    "source",
    "type",
    "subject",
    "time",
    "sequence",
    "correlation_id",
)


async def lock(connection: Connection) -> None:
    """Take the turn to append, as the first thing that a transaction does."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", APPEND_LOCK)


async def append(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """Append what the log does not have yet, in the order given; `lock` is held.

    Returns the events that contradict it: other bytes under a source and id that the log has. They are not appended.
    """
    known: dict[tuple[str, str], bytes] = {
        (row["event_id"], row["source"]): row["digest"]
        for row in await connection.fetch(_KNOWN, [event.id for event in events])
    }
    new: list[tuple[Event, bytes]] = []
    contradicting: list[Event] = []
    for event in events:
        key = (event.id, event.source)
        digest = hashlib.sha256(event.raw).digest()
        if (first := known.setdefault(key, digest)) is digest:
            new.append((event, digest))
        elif first != digest:
            contradicting.append(event)
    if new:
        await _write(connection, new)
    return contradicting


async def _write(connection: Connection, new: Sequence[tuple[Event, bytes]]) -> None:
    wanted = Counter(event.tenant for event, _ in new)
    position: int = await connection.fetchval(_TAKE_POSITIONS, len(new)) - len(new)
    heads = await connection.fetch(_TAKE_INDEXES, list(wanted), list(wanted.values()))
    following: dict[str, int] = {row["tenant"]: row["size"] - wanted[row["tenant"]] for row in heads}
    leaves = []
    payloads = []
    for event, digest in new:
        position += 1
        tenant = event.tenant
        index = following[tenant]
        following[tenant] = index + 1
        payloads.append((position, event.raw))
        leaves.append(
            (
                position,
                tenant,
                index,
                event.id,
                digest,
                event.source,
                event.type,
                event.subject,
                event.time,
                event.sequence,
                event.correlation_id,
            )
        )
    await connection.copy_records_to_table("leaves", records=leaves, columns=_LEAF)
    await connection.copy_records_to_table("payloads", records=payloads, columns=("position", "body"))


async def record(connection: Connection, drafts: Sequence[Draft]) -> list[Event]:
    """Write audit's own events to its outbox and to the log; `lock` is held. Coming back from the broker they are duplicates."""
    events = await outbox.append(connection, SERVICE, drafts, now=await clock(connection))
    await append(connection, events)
    return events


async def origin(connection: Connection, wanted: str) -> str:
    """Keep the name of this log at the first start; return the one that is kept."""
    await connection.execute("INSERT INTO log_name (origin) VALUES ($1) ON CONFLICT DO NOTHING", wanted)
    name: str = await connection.fetchval("SELECT origin FROM log_name")
    return name
