"""Mails that carry one-time links: this service's own outbox of them. No link stands here, only its id."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.database.pool import Connection
from shared.events.envelope import new_id

About = Literal["welcome", "reset", "privileged_role"]
Outcome = Literal["delivered", "failed", "void"]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail at its `attempts`-th try. `is_good`: its link was not used, overtaken or expired meanwhile."""

    id: str
    link_id: str
    about: About
    language: str
    made_at: datetime
    attempts: int
    email: str
    name: str
    realm: str
    realm_name: str | None
    expires_at: datetime
    is_good: bool


async def add(connection: Connection, link_id: str, about: About, language: str, now: datetime) -> None:
    await connection.execute(
        "INSERT INTO mails (id, link_id, about, language, made_at, due_at) VALUES ($1, $2, $3, $4, $5, $5)",
        new_id(),
        link_id,
        about,
        language,
        now,
    )


async def next_due(connection: Connection) -> tuple[str, int] | None:
    """Lock the mail that has been due for longest, and return its id and the number of tries so far."""
    # Rows that another copy of the service is trying right now are passed over.
    row = await connection.fetchrow(
        """SELECT id::text, attempts FROM mails WHERE state = 'waiting' AND due_at <= (SELECT clock_timestamp())
           ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED"""
    )
    return None if row is None else (row["id"], row["attempts"])


async def count_try(connection: Connection, mail_id: str, *, again_in: timedelta) -> None:
    """Count a try before it is made; if nothing else is heard of it, the next is due in `again_in`."""
    await connection.execute(
        "UPDATE mails SET attempts = attempts + 1, due_at = clock_timestamp() + $2 WHERE id = $1", mail_id, again_in
    )


async def hold(connection: Connection, mail_id: str, attempts: int) -> Mail | None:
    """Lock a mail for the length of its try. None when somebody else holds it, or has gone on with it."""
    row = await connection.fetchrow(
        """SELECT m.id::text, m.link_id::text, m.about, m.language, m.made_at, m.attempts, p.email, p.name, p.realm,
                  t.name AS realm_name, l.expires_at,
                  l.ended_at IS NULL AND l.expires_at > clock_timestamp() AND p.removed_at IS NULL AS is_good
           FROM mails m JOIN links l ON l.id = m.link_id JOIN members p ON p.id = l.member_id
                LEFT JOIN tenants t ON t.tenant = p.realm
           WHERE m.id = $1 AND m.state = 'waiting' AND m.attempts = $2 FOR UPDATE OF m SKIP LOCKED""",
        mail_id,
        attempts,
    )
    return None if row is None else Mail(**row)


async def settle(connection: Connection, mail_id: str, outcome: Outcome, error: str | None, now: datetime) -> None:
    """Note how a mail ended; `void`: its link was no longer good."""
    await connection.execute(
        "UPDATE mails SET state = $2, error = $3, settled_at = $4 WHERE id = $1", mail_id, outcome, error, now
    )


async def keep_error(connection: Connection, mail_id: str, error: str) -> None:
    """Note why a try did not succeed; the next is due already."""
    await connection.execute("UPDATE mails SET error = $2 WHERE id = $1", mail_id, error)


async def prune(connection: Connection) -> int:
    """Remove mails and links that ended more than thirty days ago; return how many links."""
    await connection.execute(
        """DELETE FROM mails USING links l WHERE l.id = mails.link_id
           AND greatest(l.ended_at, l.expires_at) < clock_timestamp() - interval '30 days'"""
    )
    done: str = await connection.execute(
        "DELETE FROM links WHERE greatest(ended_at, expires_at) < clock_timestamp() - interval '30 days'"
    )
    return int(done.rpartition(" ")[2])
