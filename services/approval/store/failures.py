"""Attempts to show who one is: how many failed in a row, and which of them nobody has been told of yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.approval.domain.lockout import Standing
from shared.database.pool import Connection
from shared.events.values import Person

_TOLD_LOCK = 7311003


@dataclass(frozen=True, slots=True)
class Failed:
    """What failed of an account since it was last told. `member` is None where there is no such account."""

    realm: str
    email: str
    member: Person | None
    attempts: int
    addresses: Sequence[str]
    code: str


async def hold(connection: Connection, key: str) -> Standing:
    """Return what is known of an account or address, and keep it so until the transaction ends."""
    row = await connection.fetchrow(
        """INSERT INTO attempts (key, failures, touched_at) VALUES ($1, 0, clock_timestamp())
           ON CONFLICT (key) DO UPDATE SET key = excluded.key
           RETURNING failures, blocked_until, touched_at""",
        key,
    )
    assert row is not None
    return Standing(row["failures"], row["blocked_until"], row["touched_at"])


async def put(connection: Connection, key: str, standing: Standing) -> None:
    """Store what is held."""
    await connection.execute(
        "UPDATE attempts SET failures = $2, blocked_until = $3, touched_at = $4 WHERE key = $1",
        key,
        standing.failures,
        standing.blocked_until,
        standing.touched_at,
    )


async def clear(connection: Connection, key: str) -> None:
    """Forget all failures of an account."""
    await connection.execute("DELETE FROM attempts WHERE key = $1", key)


async def take_back(connection: Connection, key: str, blocked_until: datetime | None) -> None:
    """Uncount one attempt, and end the wait that it brought (`blocked_until`) where no later one has brought another."""
    await connection.execute(
        """UPDATE attempts SET failures = greatest(failures - 1, 0),
                  blocked_until = CASE WHEN blocked_until = $2 THEN NULL ELSE blocked_until END
           WHERE key = $1""",
        key,
        blocked_until,
    )


async def note(
    connection: Connection, attempt_id: str, *, realm: str, email: str, address: str, code: str, now: datetime
) -> None:
    """Keep an attempt as failed, to be told of."""
    await connection.execute(
        "INSERT INTO failed_attempts (id, realm, email, address, code, at) VALUES ($1, $2, $3, $4, $5, $6)",
        attempt_id,
        realm,
        email,
        address,
        code,
        now,
    )


async def forget(connection: Connection, attempt_id: str) -> None:
    """Tell nobody of an attempt: it did not fail."""
    await connection.execute("DELETE FROM failed_attempts WHERE id = $1", attempt_id)


async def watch_alone(connection: Connection) -> bool:
    """Become the one copy of the service that tells of failures, until the transaction ends; False where another is."""
    alone: bool = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _TOLD_LOCK)
    return alone


async def untold(
    connection: Connection, now: datetime, *, settled: timedelta, pause: timedelta, addresses: int, limit: int
) -> list[Failed]:
    """Take out what failed of accounts whose oldest failure is older than `settled` and that were not told of for `pause`.

    At most `limit` accounts, the longest waiting first, each with at most `addresses` addresses.
    """
    rows = await connection.fetch(
        """WITH due AS (
               SELECT f.realm, f.email, min(f.at) AS since FROM failed_attempts f
               WHERE f.at <= $1 GROUP BY f.realm, f.email
           ), chosen AS (
               SELECT due.realm, due.email, m.id, m.name FROM due
               LEFT JOIN members m ON m.realm = due.realm AND m.email = due.email AND m.removed_at IS NULL
               LEFT JOIN failures_told t ON t.member_id = m.id
               WHERE t.told_at IS NULL OR t.told_at <= $2
               ORDER BY due.since LIMIT $3
           ), taken AS (
               DELETE FROM failed_attempts f USING chosen c
               WHERE f.realm = c.realm AND f.email = c.email AND f.at <= $1
               RETURNING f.realm, f.email, f.address, f.code, f.at, f.id
           )
           SELECT c.realm, c.email, c.id::text AS member_id, c.name, count(*) AS attempts,
                  (array_agg(DISTINCT t.address))[1:$4] AS addresses,
                  (array_agg(t.code ORDER BY t.at DESC, t.id DESC))[1] AS code
           FROM chosen c JOIN taken t ON t.realm = c.realm AND t.email = c.email
           GROUP BY c.realm, c.email, c.id, c.name
           ORDER BY min(t.at)""",
        now - settled,
        now - pause,
        limit,
        addresses,
    )
    return [
        Failed(
            realm=row["realm"],
            email=row["email"],
            member=None
            if row["member_id"] is None
            else Person(id=row["member_id"], email=row["email"], name=row["name"]),
            attempts=row["attempts"],
            addresses=row["addresses"],
            code=row["code"],
        )
        for row in rows
    ]


async def told(connection: Connection, member_ids: Sequence[str], now: datetime) -> None:
    """Note when it was told of these people."""
    await connection.execute(
        """INSERT INTO failures_told (member_id, told_at) SELECT id, $2 FROM unnest($1::uuid[]) AS id
           ON CONFLICT (member_id) DO UPDATE SET told_at = excluded.told_at""",
        list(member_ids),
        now,
    )


async def prune(connection: Connection) -> int:
    """Remove what counts no more: accounts and addresses that nobody tried for two days. Return how many."""
    done: str = await connection.execute(
        """DELETE FROM attempts
           WHERE greatest(touched_at, coalesce(blocked_until, touched_at)) < clock_timestamp() - interval '2 days'"""
    )
    return int(done.rpartition(" ")[2])
