"""Dead letters: events that failed when applied alone, in the service's own table. Listing, showing and replaying them.

A replay happens inside the service, with its own handlers, under a lock that no batch of the intake shares: when the event
takes effect at last, all that waited behind it follows in order, in the same transaction.
"""

from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.database.faults import is_transient
from shared.database.pool import Connection, Pool, transaction
from shared.events.envelope import Event, read
from shared.messaging.inbox import REPLAY_LOCK, Inbox, bury


class NoSuchDeadLetter(LookupError):
    """There is no dead letter of that number that still waits."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay brought: `applied` events took effect; `failed` says why the first of the rest did not, if one did not."""

    applied: int
    waiting: int
    failed: str | None


async def listing(connection: Connection, *, limit: int = 200) -> dict[str, Any]:
    """Return what waits for somebody: dead letters, how many events wait behind each, and the quarantine."""
    dead = await connection.fetch(
        """SELECT d.id, d.event_id::text, d.tenant, d.subject, d.type, d.error, d.attempts, d.died_at,
                  (SELECT count(*) FROM parked p WHERE p.subject = d.subject) AS parked
           FROM dead_letters d WHERE d.replayed_at IS NULL ORDER BY d.id LIMIT $1""",
        limit,
    )
    quarantined = await connection.fetch(
        """SELECT id, reason, user_id, routing_key, digest, octet_length(body) AS bytes, received_at
           FROM quarantine ORDER BY id DESC LIMIT $1""",
        limit,
    )
    return {"dead_letters": [dict(row) for row in dead], "quarantine": [dict(row) for row in quarantined]}


async def show(connection: Connection, number: int) -> dict[str, Any]:
    """Return one dead letter with its bytes as text. Raises NoSuchDeadLetter."""
    row = await connection.fetchrow(
        """SELECT id, event_id::text, tenant, subject, type, source, error, attempts, died_at, replayed_at, replayed_by, body
           FROM dead_letters WHERE id = $1""",
        number,
    )
    if row is None:
        raise NoSuchDeadLetter(f"there is no dead letter {number}")
    return {**dict(row), "body": bytes(row["body"]).decode("utf-8", "replace")}


async def replay(pool: Pool, inbox: Inbox, number: int, *, by: str) -> Replayed:
    """Apply a dead letter again, and then what waited behind it. Records who did it.

    Raises NoSuchDeadLetter, and what is transient. A failure is no exception: it stands in the answer and in the table.
    """
    async with transaction(pool) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", REPLAY_LOCK)
        row = await connection.fetchrow(
            "SELECT subject, body FROM dead_letters WHERE id = $1 AND replayed_at IS NULL FOR UPDATE", number
        )
        if row is None:
            raise NoSuchDeadLetter(f"there is no dead letter {number} that waits")
        subject: str = row["subject"]
        event = read(row["body"])
        done: list[Event] = []
        failed = await _try(connection, inbox, event, done)
        if failed is None:
            await connection.execute(
                "UPDATE dead_letters SET replayed_at = clock_timestamp(), replayed_by = $2 WHERE id = $1", number, by
            )
            failed = await _follow(connection, inbox, subject, done)
        waiting = await connection.fetchval("SELECT count(*) FROM parked WHERE subject = $1", subject)
    if done:
        inbox.took_effect(done)
    return Replayed(applied=len(done), waiting=waiting, failed=failed)


async def _follow(connection: Connection, inbox: Inbox, subject: str, done: list[Event]) -> str | None:
    """Apply what waited behind a subject's dead letters, in order, unless another of them is still there."""
    if await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM dead_letters WHERE subject = $1 AND replayed_at IS NULL)", subject
    ):
        return None
    while True:
        parked: asyncpg.Record | None = await connection.fetchrow(
            """SELECT position, body FROM parked WHERE subject = $1 AND waits_for = 'dead_letter'
               ORDER BY position LIMIT 1""",
            subject,
        )
        if parked is None:
            return None
        await connection.execute("DELETE FROM parked WHERE position = $1", parked["position"])
        failed = await _try(connection, inbox, read(parked["body"]), done)
        if failed is not None:
            return failed


async def _try(connection: Connection, inbox: Inbox, event: Event, done: list[Event]) -> str | None:
    """Apply one event in a savepoint. A failure undoes it alone and (again) makes it a dead letter."""
    try:
        async with connection.transaction():
            done += await inbox.apply_one(connection, event)
    except Exception as error:
        if is_transient(error):
            raise
        await bury(connection, event, error)
        return f"{type(error).__name__}: {error}"
    return None
