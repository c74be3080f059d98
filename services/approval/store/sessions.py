"""Sessions: who has signed in, and until when."""

from collections.abc import Sequence
from datetime import datetime

from shared.database.pool import Connection


async def begin(
    connection: Connection, session_id: str, member_id: str, *, method: str, issued_at: datetime, expires_at: datetime
) -> None:
    await connection.execute(
        "INSERT INTO sessions (id, member_id, method, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        session_id,
        member_id,
        method,
        issued_at,
        expires_at,
    )


async def end(connection: Connection, session_id: str) -> datetime | None:
    """End a session and return when; None where it has ended already. What else the transaction reads is under its lock."""
    ended: datetime | None = await connection.fetchval(
        """UPDATE sessions SET ended_at = clock_timestamp() WHERE id = $1 AND ended_at IS NULL RETURNING ended_at""",
        session_id,
    )
    return ended


async def end_others(connection: Connection, member_id: str, kept: str, now: datetime) -> Sequence[str]:
    """End all sessions of somebody but one, and return their ids."""
    rows = await connection.fetch(
        """UPDATE sessions SET ended_at = $3
           WHERE member_id = $1 AND id <> $2 AND ended_at IS NULL AND expires_at > $3 RETURNING id::text""",
        member_id,
        kept,
        now,
    )
    return sorted(row["id"] for row in rows)


async def prune(connection: Connection) -> int:
    """Remove sessions that ended by themselves more than a day ago; return how many."""
    done: str = await connection.execute("DELETE FROM sessions WHERE expires_at < clock_timestamp() - interval '1 day'")
    return int(done.rpartition(" ")[2])
