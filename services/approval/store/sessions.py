"""Sessions: who has signed in, how, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from shared.database.pool import Connection

_SESSION = "SELECT id::text, method, issued_at, expires_at FROM sessions"
_LIVE = "ended_at IS NULL AND expires_at > clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that has not ended. `method` is how its holder signed in."""

    id: str
    method: str
    issued_at: datetime
    expires_at: datetime


async def begin(
    connection: Connection,
    session_id: str,
    member_id: str,
    *,
    method: str,
    issued_at: datetime,
    expires_at: datetime,
    issuer_id: str | None = None,
) -> None:
    """Store a session; `issuer_id` names the issuer at which it began."""
    await connection.execute(
        """INSERT INTO sessions (id, member_id, method, issued_at, expires_at, issuer_id)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        session_id,
        member_id,
        method,
        issued_at,
        expires_at,
        issuer_id,
    )


async def find(connection: Connection, session_id: str) -> Session | None:
    row = await connection.fetchrow(f"{_SESSION} WHERE id = $1 AND {_LIVE}", session_id)
    return None if row is None else _session(row)


async def of(connection: Connection, member_id: str) -> list[Session]:
    """List somebody's sessions, newest first."""
    rows = await connection.fetch(f"{_SESSION} WHERE member_id = $1 AND {_LIVE} ORDER BY id DESC", member_id)
    return [_session(row) for row in rows]


async def end(connection: Connection, session_id: str, *, of_member: str) -> datetime | None:
    """End a session of somebody's and return when; None where it has ended already or is another's.

    What else the transaction reads is under its lock.
    """
    ended: datetime | None = await connection.fetchval(
        f"""UPDATE sessions SET ended_at = clock_timestamp() WHERE id = $1 AND member_id = $2 AND {_LIVE}
            RETURNING ended_at""",  # noqa: S608 - The condition is a constant.
        session_id,
        of_member,
    )
    return ended


async def end_all(connection: Connection, member_id: str, now: datetime, *, kept: str | None = None) -> Sequence[str]:
    """End all sessions of somebody who is held, but for the one that is `kept`, and return their ids."""
    rows = await connection.fetch(
        """UPDATE sessions SET ended_at = greatest($2, issued_at)
           WHERE member_id = $1 AND id IS DISTINCT FROM $3 AND ended_at IS NULL AND expires_at > $2 RETURNING id::text""",
        member_id,
        now,
        kept,
    )
    return sorted(row["id"] for row in rows)


async def prune(connection: Connection) -> int:
    """Remove sessions that ended by themselves more than a day ago; return how many."""
    done: str = await connection.execute("DELETE FROM sessions WHERE expires_at < clock_timestamp() - interval '1 day'")
    return int(done.rpartition(" ")[2])


def _session(row: Record) -> Session:
    return Session(row["id"], row["method"], row["issued_at"], row["expires_at"])
