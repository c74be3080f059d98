"""The provider's people, their roles and the ends of their sessions. A later event counts, in whatever order they arrive."""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime

import asyncpg

from services.request_api.domain.people import Member, Standing
from shared.database.pool import Connection
from shared.events.members import MemberAdded
from shared.messaging.inbox import blocked
from shared.security.tokens import Session

_MEMBERS = """
SELECT m.member_id, m.email, m.name, m.employer, m.job_title, m.country, m.sessions_from,
       m.removed_sequence > m.added_sequence AS removed,
       ARRAY(SELECT r.role FROM roles r
             WHERE r.member_id = m.member_id AND r.held AND r.sequence > m.removed_sequence) AS roles
FROM members m WHERE m.member_id = ANY($1)
"""
# The same for sessions: one statement, for it stands before every call.
_STANDINGS = """
SELECT m.member_id, m.email, m.name, m.employer, m.job_title, m.country, m.sessions_from,
       m.removed_sequence > m.added_sequence AS removed,
       ARRAY(SELECT r.role FROM roles r
             WHERE r.member_id = m.member_id AND r.held AND r.sequence > m.removed_sequence) AS roles,
       s.member_id AS subject, s.session_id,
       EXISTS (SELECT FROM revoked_sessions e WHERE e.session_id = s.session_id) AS revoked
FROM unnest($1::text[], $2::text[]) AS s (member_id, session_id) LEFT JOIN members m ON m.member_id = s.member_id
"""


def _member(row: asyncpg.Record) -> Member | None:
    """Make a member of his row; None for one of whom only the end of sessions is known."""
    if row["email"] is None and not row["removed"]:
        return None
    return Member(
        id=row["member_id"],
        email=row["email"] or "",
        name=row["name"] or "",
        employer=row["employer"],
        job_title=row["job_title"],
        country=row["country"],
        roles=frozenset() if row["removed"] else frozenset(row["roles"]),
        removed=row["removed"],
        sessions_from=row["sessions_from"],
    )


async def members(connection: Connection, ids: Sequence[str]) -> dict[str, Member]:
    """Read members, those who were removed included."""
    found = map(_member, await connection.fetch(_MEMBERS, ids))
    return {member.id: member for member in found if member is not None}


async def standings(
    connection: Connection, sessions: Sequence[Session], in_doubt: Container[str]
) -> Mapping[Session, Standing]:
    """Read what is known of the callers; `in_doubt` are the subjects of events that could not be applied."""
    distinct = {(session.subject, session.session_id) for session in sessions}
    rows = await connection.fetch(
        _STANDINGS, [subject for subject, _ in distinct], [session_id for _, session_id in distinct]
    )
    found = {
        (row["subject"], row["session_id"]): Standing(_member(row), row["revoked"], row["subject"] in in_doubt)
        for row in rows
    }
    return {session: found[session.subject, session.session_id] for session in sessions}


async def standing(connection: Connection, session: Session) -> Standing:
    """Read what is known of one caller."""
    in_doubt = await blocked(connection, [session.subject])
    return (await standings(connection, [session], in_doubt))[session]


async def add(connection: Connection, said: MemberAdded, sequence: int) -> None:
    member = said.member
    await connection.execute(
        """INSERT INTO members AS m (member_id, email, name, employer, job_title, country, added_sequence)
           VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (member_id) DO UPDATE
              SET email = excluded.email, name = excluded.name, employer = excluded.employer,
                  job_title = excluded.job_title, country = excluded.country, added_sequence = excluded.added_sequence
              WHERE m.added_sequence < excluded.added_sequence""",
        member.id,
        member.email,
        member.name,
        said.employer,
        said.job_title,
        said.country,
        sequence,
    )


async def remove(connection: Connection, member_id: str, sequence: int) -> None:
    await connection.execute(
        """INSERT INTO members AS m (member_id, removed_sequence) VALUES ($1, $2)
           ON CONFLICT (member_id) DO UPDATE
              SET removed_sequence = greatest(m.removed_sequence, excluded.removed_sequence)""",
        member_id,
        sequence,
    )


async def set_role(connection: Connection, member_id: str, role: str, sequence: int, *, held: bool) -> None:
    await connection.execute(
        """INSERT INTO roles AS r (member_id, role, held, sequence) VALUES ($1, $2, $3, $4)
           ON CONFLICT (member_id, role) DO UPDATE SET held = excluded.held, sequence = excluded.sequence
              WHERE r.sequence < excluded.sequence""",
        member_id,
        role,
        held,
        sequence,
    )


async def end_session(connection: Connection, session_id: str, at: datetime) -> None:
    await connection.execute(
        "INSERT INTO revoked_sessions (session_id, revoked_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", session_id, at
    )


async def end_sessions(connection: Connection, member_id: str, before: datetime) -> None:
    """End all sessions of a member that began before an instant."""
    await connection.execute(
        """INSERT INTO members AS m (member_id, sessions_from) VALUES ($1, $2)
           ON CONFLICT (member_id) DO UPDATE SET sessions_from = greatest(m.sessions_from, excluded.sessions_from)""",
        member_id,
        before,
    )


async def roles_by_email(connection: Connection) -> Mapping[str, frozenset[str]]:
    """Read the roles of everybody who is there."""
    rows = await connection.fetch("SELECT member_id FROM members WHERE added_sequence > removed_sequence")
    people = await members(connection, [row["member_id"] for row in rows])
    return {member.email: member.roles for member in people.values()}


async def prune_sessions(connection: Connection, *, days: int = 2) -> None:
    """Forget revoked sessions whose tokens expired long ago (none lives over twelve hours)."""
    await connection.execute(
        "DELETE FROM revoked_sessions WHERE revoked_at < clock_timestamp() - make_interval(days => $1)", days
    )
