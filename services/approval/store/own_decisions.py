"""What the service itself has to decide, and from when on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.database.pool import Connection

About = Literal["window_closed", "withdrawn", "engineer_gone"]


@dataclass(frozen=True, slots=True)
class Due:
    """A decision whose time has come. `cause` is the id of the event that asks for it, where one does."""

    request_id: str
    about: About
    cause: str | None


async def ask(connection: Connection, request_id: str, about: About, *, due_at: datetime, cause: str) -> None:
    """Note that a decision is asked for, once."""
    await connection.execute(
        """INSERT INTO own_decisions (request_id, about, due_at, cause) VALUES ($1, $2, $3, $4)
           ON CONFLICT (request_id, about) DO NOTHING""",
        request_id,
        about,
        due_at,
        cause,
    )


async def engineer_gone(connection: Connection, member_id: str) -> None:
    """Note that every grant of somebody who may no longer have access is to end. Call it where that is written.

    Whoever grants access holds the engineer FOR SHARE: with his row held FOR UPDATE no grant is missed.
    """
    await connection.execute(
        """INSERT INTO own_decisions (request_id, about, due_at)
           SELECT id, 'engineer_gone', clock_timestamp() FROM requests
           WHERE engineer_id = $1 AND state IN ('approved', 'active') AND access_until > clock_timestamp()
           ON CONFLICT (request_id, about) DO NOTHING""",
        member_id,
    )


async def due(connection: Connection, *, limit: int) -> list[Due]:
    """List what is due, oldest first. Locks nothing."""
    rows = await connection.fetch(
        """SELECT request_id::text, about, cause::text FROM own_decisions
           WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT $1""",
        limit,
    )
    return [Due(row["request_id"], row["about"], row["cause"]) for row in rows]


async def still_asked(connection: Connection, one: Due) -> bool:
    """Say whether nobody has made the decision meanwhile. Ask under the request's row lock."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM own_decisions WHERE request_id = $1 AND about = $2)", one.request_id, one.about
    )
    return found


async def put_off(connection: Connection, one: Due, until: datetime) -> None:
    """Keep a decision that was asked for too early."""
    await connection.execute(
        "UPDATE own_decisions SET due_at = $3 WHERE request_id = $1 AND about = $2", one.request_id, one.about, until
    )


async def done(connection: Connection, one: Due) -> None:
    """Forget a decision that was made."""
    await connection.execute(
        "DELETE FROM own_decisions WHERE request_id = $1 AND about = $2", one.request_id, one.about
    )
