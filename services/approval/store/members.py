"""People of both realms and their roles."""

from collections.abc import Sequence

from asyncpg import Record

from services.approval.domain.people import Member
from shared.database.pool import Connection

# Roles that people gave, those that an issuer said within five minutes, and those that it has said before.
_ROLES = """
ARRAY(SELECT role FROM member_roles WHERE member_id = {0}.id
      UNION SELECT role FROM group_roles WHERE member_id = {0}.id AND said_at > clock_timestamp() - interval '5 minutes')
    AS roles,
ARRAY(SELECT role FROM group_roles WHERE member_id = {0}.id AND said_at <= clock_timestamp() - interval '5 minutes')
    AS old_roles
"""

_MEMBER = f"""
SELECT id::text, realm, email, name, employer, job_title, country, password_hash, revision,
       {_ROLES.format("members")}
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


async def add(connection: Connection, member: Member, *, password_hash: str | None, revision: int) -> None:
    """Store somebody new with his roles. Raises asyncpg's UniqueViolationError where the address is taken."""
    await connection.execute(
        """INSERT INTO members (id, realm, email, name, employer, job_title, country, password_hash, revision)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        member.id,
        member.realm,
        member.email,
        member.name,
        member.employer,
        member.job_title,
        member.country,
        password_hash,
        revision,
    )
    for role in sorted(member.roles):
        await _give(connection, member.id, role)


async def assign(connection: Connection, member_id: str, role: str) -> int:
    """Give somebody a role, and return the revision that this makes."""
    revision: int = await connection.fetchval(
        "UPDATE members SET revision = revision + 1 WHERE id = $1 RETURNING revision", member_id
    )
    await _give(connection, member_id, role)
    return revision


async def _give(connection: Connection, member_id: str, role: str) -> None:
    await connection.execute("INSERT INTO member_roles (member_id, role) VALUES ($1, $2)", member_id, role)


async def of_session(connection: Connection, session_id: str) -> tuple[Member, str] | None:
    """Return whose session it is and how he signed in; None when it has ended or never was."""
    row = await connection.fetchrow(
        f"""SELECT m.id::text, m.realm, m.email, m.name, m.employer, m.job_title, m.country, s.method,
                  {_ROLES.format("m")}
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
        stale_roles=frozenset(row["old_roles"]) - frozenset(row["roles"]),
    )
