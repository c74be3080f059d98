"""People of both realms and their roles."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from asyncpg import Record

from services.approval.domain.membership import Holder
from services.approval.domain.people import Member
from shared.database.pool import Connection

# Roles that people gave, with those that an issuer said within five minutes; and all that issuers have said.
_ROLES = """
ARRAY(SELECT role FROM member_roles WHERE member_id = {0}.id
      UNION SELECT role FROM group_roles WHERE member_id = {0}.id AND said_at > clock_timestamp() - interval '5 minutes'{1})
    AS roles,
ARRAY(SELECT role FROM group_roles WHERE member_id = {0}.id) AS said_roles
"""

_MEMBER = f"""
SELECT id::text, realm, email, name, employer, job_title, country, password_hash, revision,
       {_ROLES.format("members", "")}
FROM members WHERE removed_at IS NULL
"""  # noqa: S608 - A name of ours.


async def hold(connection: Connection, ids: Sequence[str]) -> dict[str, Member]:
    """Return those who are members, by id, and keep them and their roles as they are until the transaction ends."""
    # In one order, so that two who hold the same people never wait for each other. The roles are read by a statement of
    # its own: it sees what was committed while the first one waited (READ COMMITTED).
    await connection.execute("SELECT 1 FROM members WHERE id = ANY($1::uuid[]) ORDER BY id FOR SHARE", list(ids))
    rows = await connection.fetch(f"{_MEMBER} AND id = ANY($1::uuid[])", list(ids))
    return {row["id"]: _member(row) for row in rows}


async def with_password(connection: Connection, realm: str, email: str) -> tuple[Member, str | None] | None:
    """Find somebody by his address, with his password's hash (None while none is set)."""
    row = await connection.fetchrow(f"{_MEMBER} AND realm = $1 AND email = $2", realm, email)
    return None if row is None else (_member(row), row["password_hash"])


async def by_id(connection: Connection, member_id: str) -> Member | None:
    row = await connection.fetchrow(f"{_MEMBER} AND id = $1", member_id)
    return None if row is None else _member(row)


async def hold_alone(connection: Connection, realm: str, email: str) -> Member | None:
    """Find somebody by his address, and hold him to change him."""
    member_id = await connection.fetchval(
        "SELECT id::text FROM members WHERE realm = $1 AND email = $2 AND removed_at IS NULL FOR UPDATE", realm, email
    )
    return None if member_id is None else await by_id(connection, member_id)


async def hold_password(connection: Connection, member_id: str, *, alone: bool) -> str | None:
    """Return somebody's password hash, and keep it as it is until the transaction ends; `alone` to change it."""
    lock = "UPDATE" if alone else "SHARE"
    found: str | None = await connection.fetchval(
        f"SELECT password_hash FROM members WHERE id = $1 AND removed_at IS NULL FOR {lock}",  # noqa: S608 - Two words of ours.
        member_id,
    )
    return found


async def set_password(connection: Connection, member_id: str, password_hash: str) -> None:
    await connection.execute("UPDATE members SET password_hash = $2 WHERE id = $1", member_id, password_hash)


async def add(connection: Connection, member: Member, *, password_hash: str | None) -> None:
    """Store somebody new with his roles, at revision 0. Raises asyncpg's UniqueViolationError where the address is taken."""
    await connection.execute(
        """INSERT INTO members (id, realm, email, name, employer, job_title, country, password_hash, revision)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)""",
        member.id,
        member.realm,
        member.email,
        member.name,
        member.employer,
        member.job_title,
        member.country,
        password_hash,
    )
    for role in sorted(member.roles):
        await give(connection, member.id, role)


async def given(connection: Connection, member_id: str) -> frozenset[str]:
    """Return the roles that people gave somebody, without those that an issuer gives."""
    rows = await connection.fetch("SELECT role FROM member_roles WHERE member_id = $1", member_id)
    return frozenset(row["role"] for row in rows)


async def give(connection: Connection, member_id: str, role: str) -> None:
    """Give a role to somebody who is held."""
    await connection.execute("INSERT INTO member_roles (member_id, role) VALUES ($1, $2)", member_id, role)


async def take(connection: Connection, member_id: str, role: str) -> None:
    """Take a role from somebody who is held."""
    await connection.execute("DELETE FROM member_roles WHERE member_id = $1 AND role = $2", member_id, role)


async def remove(connection: Connection, member_id: str, now: datetime) -> None:
    """Remove somebody who is held, with his roles and his password. His name stays, since decisions name him."""
    await connection.execute("UPDATE members SET removed_at = $2, password_hash = NULL WHERE id = $1", member_id, now)
    await connection.execute("DELETE FROM member_roles WHERE member_id = $1", member_id)
    await connection.execute("DELETE FROM group_roles WHERE member_id = $1", member_id)


async def forget_password(connection: Connection, member_id: str) -> None:
    await connection.execute("UPDATE members SET password_hash = NULL WHERE id = $1", member_id)


async def holders(connection: Connection, realm: str, role: str) -> list[Holder]:
    """List who has been given a role in a realm, and whether he can sign in."""
    rows = await connection.fetch(
        """SELECT m.id::text, m.password_hash IS NOT NULL AS able FROM members m JOIN member_roles r ON r.member_id = m.id
           WHERE m.realm = $1 AND m.removed_at IS NULL AND r.role = $2""",
        realm,
        role,
    )
    return [Holder(**row) for row in rows]


# Group roles as the issuer last said, old or not: who looks at the list wants to know who may come with them.
_VIEW = """
SELECT m.id::text, m.email, m.name, m.employer, m.job_title, m.country, m.password_hash IS NOT NULL AS has_password,
       ARRAY(SELECT role FROM member_roles WHERE member_id = m.id UNION SELECT role FROM group_roles WHERE member_id = m.id
             ORDER BY role) AS roles,
       ARRAY(SELECT DISTINCT role FROM group_roles WHERE member_id = m.id ORDER BY role) AS group_roles,
       ARRAY(SELECT DISTINCT kind FROM factors WHERE member_id = m.id AND confirmed_at IS NOT NULL ORDER BY kind) AS factors
FROM members m WHERE m.removed_at IS NULL AND m.realm = $1
"""


async def view(connection: Connection, realm: str, email: str) -> dict[str, Any] | None:
    """Show somebody as the API does."""
    row = await connection.fetchrow(f"{_VIEW} AND m.email = $2", realm, email)
    return None if row is None else dict(row)


async def listed(
    connection: Connection, realm: str, *, text: str | None, role: str | None, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """List a realm's people by address, from behind `after`; `text` is looked for in names and addresses."""
    rows = await connection.fetch(
        f"""{_VIEW}
            AND ($2::text IS NULL OR strpos(lower(m.name), $2) > 0 OR strpos(m.email, $2) > 0)
            AND ($3::text IS NULL OR EXISTS (SELECT 1 FROM member_roles r WHERE r.member_id = m.id AND r.role = $3)
                 OR EXISTS (SELECT 1 FROM group_roles g WHERE g.member_id = m.id AND g.role = $3))
            AND ($4::text IS NULL OR m.email > $4) ORDER BY m.email LIMIT $5""",  # noqa: S608 - A constant of ours.
        realm,
        None if text is None else text.lower(),
        role,
        after,
        limit,
    )
    return [dict(row) for row in rows]


async def of_session(connection: Connection, session_id: str) -> tuple[Member, str] | None:
    """Return whose session it is and how he signed in; None when it has ended or never was.

    What an issuer says of his roles counts in sessions that began there, and in no others.
    """
    row = await connection.fetchrow(
        f"""SELECT m.id::text, m.realm, m.email, m.name, m.employer, m.job_title, m.country, s.method,
                  {_ROLES.format("m", " AND issuer_id = s.issuer_id")}
           FROM sessions s JOIN members m ON m.id = s.member_id
           WHERE s.id = $1 AND s.ended_at IS NULL AND s.expires_at > clock_timestamp() AND m.removed_at IS NULL""",  # noqa: S608
        session_id,
    )
    return None if row is None else (_member(row), row["method"])


def _member(row: Record) -> Member:
    return Member(
        id=row["id"],
        realm=row["realm"],
        email=row["email"],
        name=row["name"],
        roles=frozenset(row["roles"]),
        employer=row["employer"],
        job_title=row["job_title"],
        country=row["country"],
        stale_roles=frozenset(row["said_roles"]) - frozenset(row["roles"]),
    )
