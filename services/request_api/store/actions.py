"""Actions that were allowed, and the count of those that were refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.database.pool import Connection


async def freshness(connection: Connection, service: str) -> tuple[datetime | None, datetime]:
    """Read up to when a service's events are complete here, and the database's clock."""
    row = await connection.fetchrow(
        "SELECT (SELECT complete_until FROM freshness WHERE service = $1) AS heard, clock_timestamp() AS now", service
    )
    assert row is not None
    return row["heard"], row["now"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """An action that was allowed."""

    action_id: str
    request_id: str
    grant_id: str
    resource: str
    operation: str


async def insert(connection: Connection, recorded: Sequence[Recorded], now: datetime) -> None:
    if recorded:
        await connection.execute(
            """INSERT INTO actions (action_id, request_id, grant_id, resource, operation, recorded_at)
               SELECT *, $6::timestamptz FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])""",
            [one.action_id for one in recorded],
            [one.request_id for one in recorded],
            [one.grant_id for one in recorded],
            [one.resource for one in recorded],
            [one.operation for one in recorded],
            now,
        )


async def complete(
    connection: Connection, action_id: str, grant_id: str
) -> tuple[Recorded, datetime | None, datetime] | None:
    """Hold an action of a grant; return it, when it was completed, and the database's clock. None: there is no such action."""
    row = await connection.fetchrow(
        """SELECT request_id::text, grant_id::text, resource, operation, completed_at
           FROM actions WHERE action_id = $1 AND grant_id = $2 FOR UPDATE""",
        action_id,
        grant_id,
    )
    if row is None:
        return None
    now = await connection.fetchval("SELECT clock_timestamp()")
    action = Recorded(action_id, row["request_id"], row["grant_id"], row["resource"], row["operation"])
    return action, row["completed_at"], now


async def set_completed(connection: Connection, action_id: str, now: datetime) -> None:
    await connection.execute("UPDATE actions SET completed_at = $2 WHERE action_id = $1", action_id, now)


async def prune(connection: Connection, *, days: int = 2) -> None:
    """Forget actions whose completion can no longer be reported (no grant lives over four hours)."""
    await connection.execute(
        "DELETE FROM actions WHERE recorded_at < clock_timestamp() - make_interval(days => $1)", days
    )


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refusals of one token with one code in one minute: `recorded` one by one, `counted` only as a number."""

    token_id: str
    minute: datetime
    code: str
    request_id: str
    grant_id: str
    tenant: str
    recorded: int
    counted: int
    first: datetime | None
    last: datetime | None


async def recorded_refusals(connection: Connection, token_ids: Sequence[str], minute: datetime) -> Mapping[str, int]:
    """Read how many refusals of each token were recorded one by one in a minute."""
    rows = await connection.fetch(
        """SELECT token_id, sum(recorded)::integer AS recorded FROM refusals
           WHERE token_id = ANY($1) AND minute = $2 GROUP BY token_id""",
        token_ids,
        minute,
    )
    return {row["token_id"]: row["recorded"] for row in rows}


async def count_refusals(connection: Connection, refused: Sequence[Refusals]) -> None:
    """Add to the counts. The rows are taken in one order, so that two batches never wait for each other."""
    ordered = sorted(refused, key=lambda one: (one.token_id, one.minute, one.code))
    await connection.execute(
        """INSERT INTO refusals AS r
                  (token_id, minute, code, request_id, grant_id, tenant, recorded, counted, first, last)
           SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::uuid[], $5::uuid[], $6::text[],
                                $7::integer[], $8::integer[], $9::timestamptz[], $10::timestamptz[])
           ON CONFLICT (token_id, minute, code) DO UPDATE
              SET recorded = r.recorded + excluded.recorded, counted = r.counted + excluded.counted,
                  first = least(r.first, excluded.first), last = greatest(r.last, excluded.last)""",
        [one.token_id for one in ordered],
        [one.minute for one in ordered],
        [one.code for one in ordered],
        [one.request_id for one in ordered],
        [one.grant_id for one in ordered],
        [one.tenant for one in ordered],
        [one.recorded for one in ordered],
        [one.counted for one in ordered],
        [one.first for one in ordered],
        [one.last for one in ordered],
    )


async def take_past_refusals(connection: Connection) -> list[Refusals]:
    """Remove the counts of the minutes that are over, and return them. What another copy of the service holds is left to it."""
    rows = await connection.fetch(
        """DELETE FROM refusals WHERE (token_id, minute, code) IN (
               SELECT token_id, minute, code FROM refusals WHERE minute < date_trunc('minute', clock_timestamp())
               ORDER BY token_id, minute, code LIMIT 1000 FOR UPDATE SKIP LOCKED)
           RETURNING token_id, minute, code, request_id::text, grant_id::text, tenant, recorded, counted, first, last"""
    )
    return [Refusals(**dict(row)) for row in rows]
