"""Reading the log: pages of it in its order, single events, and where an event stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from shared.database.pool import Connection

# What one page holds at most, whatever its limit: an event has up to 60 KB.
PAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the log holds it. `number` is how many entries of what is being read lie before it."""

    number: int
    event_id: str
    tenant: str
    leaf_index: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Filters:
    """What a reader asks for; None leaves a filter out."""

    types: Sequence[str] | None = None
    subject: str | None = None
    correlation: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """A page. `passed` is how many entries of the scope lie behind it, those left out by a filter included."""

    entries: list[Entry]
    passed: int
    whole: bool


async def size(connection: Connection, tenant: str | None) -> int:
    """Return how many entries a tenant's log has, or (None) all logs together."""
    if tenant is None:
        total: int = await connection.fetchval("SELECT position FROM log_end")
        return total
    found: int | None = await connection.fetchval("SELECT size FROM heads WHERE tenant = $1", tenant)
    return found or 0


async def page(connection: Connection, tenant: str | None, passed: int, limit: int, filters: Filters) -> Slice:
    """Read on after the first `passed` entries: of a tenant by leaf index, of all logs (None) by position.

    The end is read first. Whatever is below it is committed, because appends take turns; so nothing is ever skipped.
    """
    end = await size(connection, tenant)
    if passed >= end:
        return Slice([], passed, whole=True)
    # A position counts from 1, an index from 0: both are "after the first n".
    number = "position - 1" if tenant is None else "leaf_index"
    arguments: list[Any] = [passed, end]
    conditions = ["position > $1 AND position <= $2"] if tenant is None else ["leaf_index >= $1 AND leaf_index < $2"]

    def narrow(condition: str, value: object) -> None:
        if value is not None:
            arguments.append(value)
            conditions.append(condition.replace("?", f"${len(arguments)}"))

    narrow("tenant = ?", tenant)
    narrow("type = ANY(?::text[])", filters.types)
    # Split so that either half has its index.
    narrow(
        "(correlation_id = ? AND subject = ? OR subject = ? AND subject IS DISTINCT FROM correlation_id)",
        filters.subject,
    )
    narrow("correlation_id = ?", filters.correlation)
    narrow("time >= ?", filters.since)
    query = f"""
        SELECT position, {number} AS number, octet_length(body) AS bytes
        FROM (SELECT position, leaf_index FROM leaves WHERE {" AND ".join(conditions)}
              ORDER BY {number.partition(" ")[0]} LIMIT {limit}) AS found
        JOIN payloads USING (position) ORDER BY position
    """  # noqa: S608 - Made of our own words; whatever a reader sent is an argument.
    found = await connection.fetch(query, *arguments)
    rows = _fitting(found)
    whole = len(rows) < limit and len(rows) == len(found)
    entries = await _entries(connection, rows)
    return Slice(entries, end if whole else rows[-1]["number"] + 1, whole)


def _fitting(rows: Sequence[asyncpg.Record]) -> Sequence[asyncpg.Record]:
    total = 0
    for count, row in enumerate(rows):
        total += row["bytes"]
        if total > PAGE_BYTES and count:
            return rows[:count]
    return rows


async def _entries(connection: Connection, found: Sequence[asyncpg.Record]) -> list[Entry]:
    if not found:
        return []
    rows = await connection.fetch(
        """SELECT event_id::text, tenant, leaf_index, body FROM leaves JOIN payloads USING (position)
           WHERE position = ANY($1::bigint[]) ORDER BY position""",
        [row["position"] for row in found],
    )
    return [Entry(place["number"], *row) for place, row in zip(found, rows, strict=True)]


async def one(connection: Connection, event_id: str, tenant: str | None) -> Entry | None:
    """Return an event of a tenant's log, or (None) of any. Of two sources that used one id, the first counts."""
    row = await connection.fetchrow(
        """SELECT leaf_index, event_id::text, tenant, leaf_index, body FROM leaves JOIN payloads USING (position)
           WHERE event_id = $1 AND ($2::text IS NULL OR tenant = $2) ORDER BY position LIMIT 1""",
        event_id,
        tenant,
    )
    return None if row is None else Entry(*row)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in its tenant's log, which has `size` entries."""

    event_id: str
    tenant: str
    leaf_index: int
    size: int
    source: str
    type: str
    digest: str


async def place(connection: Connection, event_id: str) -> Place | None:
    """Return where an event stands, or None while it is not in the log."""
    row = await connection.fetchrow(
        """SELECT event_id::text, tenant, leaf_index, size, source, type, encode(digest, 'hex') AS digest
           FROM leaves JOIN heads USING (tenant) WHERE event_id = $1 ORDER BY position LIMIT 1""",
        event_id,
    )
    return None if row is None else Place(*row)


async def bodies(connection: Connection, after: int, until: int, types: Sequence[str]) -> list[bytes]:
    """Return the bytes of the events of these types at the positions above `after` up to `until`, in order."""
    rows = await connection.fetch(
        """SELECT body FROM leaves JOIN payloads USING (position)
           WHERE position > $1 AND position <= $2 AND type = ANY($3::text[]) ORDER BY position""",
        after,
        until,
        types,
    )
    return [row["body"] for row in rows]
