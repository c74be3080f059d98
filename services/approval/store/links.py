"""One-time links and recovery codes: who may set a new password without an old one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.approval.domain.people import Member
from services.approval.store import members
from shared.database.pool import Connection


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is good now, and whose it is."""

    id: str
    member: Member


async def make(
    connection: Connection, link_id: str, member_id: str, *, digest: bytes, now: datetime, expires_at: datetime
) -> None:
    """Store a link for somebody who is held FOR UPDATE; it ends his older ones."""
    await end(connection, member_id, now)
    await connection.execute(
        "INSERT INTO links (id, member_id, digest, made_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        link_id,
        member_id,
        digest,
        now,
        expires_at,
    )


async def end(connection: Connection, member_id: str, now: datetime) -> bool:
    """End somebody's link; False where he has none that is open."""
    done: str = await connection.execute(
        "UPDATE links SET ended_at = $2 WHERE member_id = $1 AND ended_at IS NULL", member_id, now
    )
    return done != "UPDATE 0"


async def good(connection: Connection, digest: bytes) -> Link | None:
    """Find a link that is neither used, nor overtaken, nor expired. Who must rely on it holds its member and asks again."""
    row = await connection.fetchrow(
        """SELECT id::text, member_id::text FROM links
           WHERE digest = $1 AND ended_at IS NULL AND expires_at > clock_timestamp()""",
        digest,
    )
    member = None if row is None else await members.by_id(connection, row["member_id"])
    return None if row is None or member is None else Link(row["id"], member)


async def put_codes(connection: Connection, member_id: str, digests: Sequence[bytes]) -> None:
    """Store somebody's recovery codes; the ones before end."""
    await drop_codes(connection, member_id)
    await connection.executemany(
        "INSERT INTO recovery_codes (digest, member_id) VALUES ($1, $2)", [(digest, member_id) for digest in digests]
    )


async def drop_codes(connection: Connection, member_id: str) -> None:
    await connection.execute("DELETE FROM recovery_codes WHERE member_id = $1", member_id)


async def has_codes(connection: Connection, member_id: str) -> bool:
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM recovery_codes WHERE member_id = $1)", member_id
    )
    return found


async def owner_of_code(connection: Connection, digest: bytes) -> Member | None:
    """Return whose recovery code it is."""
    member_id = await connection.fetchval("SELECT member_id::text FROM recovery_codes WHERE digest = $1", digest)
    return None if member_id is None else await members.by_id(connection, member_id)


async def use_code(connection: Connection, digest: bytes) -> bool:
    """Use a code up; False where somebody else has."""
    return await connection.fetchval("DELETE FROM recovery_codes WHERE digest = $1 RETURNING true", digest) is not None
