"""A tenant's issuers, whom they vouch for, and the roles that they give. Who changes these holds the tenant's row FOR UPDATE."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from asyncpg import Record

from services.approval.domain.people import Member
from services.approval.store import members
from shared.database.pool import Connection

_ISSUER = """
SELECT id::text, tenant, issuer, name, client_id, client_secret, algorithm, group_claim, mapping
FROM issuers WHERE removed_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer that a tenant trusts. `sealed_secret` is None for a public client; `mapping` gives the role of a group."""

    id: str
    tenant: str
    issuer: str
    name: str
    client_id: str
    sealed_secret: bytes | None
    algorithm: str
    group_claim: str
    mapping: dict[str, str]

    def view(self, redirect_uri: str) -> dict[str, Any]:
        """Show it as the API does: without its secret."""
        return {
            "id": self.id,
            "issuer": self.issuer,
            "name": self.name,
            "client_id": self.client_id,
            "algorithm": self.algorithm,
            "group_claim": self.group_claim,
            "mapping": self.mapping,
            "redirect_uri": redirect_uri,
        }


async def add(connection: Connection, issuer: Issuer, now: datetime) -> None:
    await connection.execute(
        """INSERT INTO issuers (id, tenant, issuer, name, client_id, client_secret, algorithm, group_claim, mapping, added_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        issuer.id,
        issuer.tenant,
        issuer.issuer,
        issuer.name,
        issuer.client_id,
        issuer.sealed_secret,
        issuer.algorithm,
        issuer.group_claim,
        orjson.dumps(issuer.mapping).decode(),
        now,
    )


async def find(connection: Connection, issuer_id: str) -> Issuer | None:
    """Return an issuer; None for one that was removed or never was."""
    row = await connection.fetchrow(f"{_ISSUER} AND id = $1", issuer_id)
    return None if row is None else _issuer(row)


async def of_tenant(connection: Connection, tenant: str) -> list[Issuer]:
    """List a tenant's issuers in the order in which they were added."""
    rows = await connection.fetch(f"{_ISSUER} AND tenant = $1 ORDER BY id", tenant)
    return [_issuer(row) for row in rows]


async def remove(connection: Connection, issuer_id: str, now: datetime) -> None:
    """Take an issuer away with all roles that it gave; its sessions end with `end_sessions`."""
    await connection.execute("UPDATE issuers SET removed_at = $2 WHERE id = $1", issuer_id, now)
    await connection.execute("DELETE FROM oidc_flows WHERE issuer_id = $1", issuer_id)
    await connection.execute("DELETE FROM group_roles WHERE issuer_id = $1", issuer_id)


async def end_sessions(connection: Connection, issuer_id: str, now: datetime) -> Sequence[tuple[str, str]]:
    """End all sessions that began at an issuer; give their ids, each with its member's."""
    rows = await connection.fetch(
        """UPDATE sessions SET ended_at = $2 WHERE issuer_id = $1 AND ended_at IS NULL AND expires_at > $2
           RETURNING id::text, member_id::text""",
        issuer_id,
        now,
    )
    return sorted((row["id"], row["member_id"]) for row in rows)


async def given_roles(connection: Connection, issuer_id: str) -> Sequence[tuple[str, str]]:
    """List the roles that an issuer gives: members' ids, each with a role."""
    rows = await connection.fetch(
        "SELECT member_id::text, role FROM group_roles WHERE issuer_id = $1 ORDER BY member_id, role", issuer_id
    )
    return [(row["member_id"], row["role"]) for row in rows]


async def hold_people(connection: Connection, issuer_id: str) -> dict[str, Member]:
    """Keep everybody to whom an issuer gave a role or a session as he is, for a change; give those who are members."""
    rows = await connection.fetch(
        """SELECT m.id::text FROM members m
           WHERE m.id IN (SELECT member_id FROM group_roles WHERE issuer_id = $1
                          UNION SELECT member_id FROM sessions WHERE issuer_id = $1 AND ended_at IS NULL)
           ORDER BY m.id FOR UPDATE""",
        issuer_id,
    )
    return await members.hold(connection, [row["id"] for row in rows])


async def hold_identity(connection: Connection, issuer: Issuer, subject: str) -> tuple[str, bool] | None:
    """Return whom a subject of an issuer's is (his id, and whether he is still a member), and hold him for a change.

    An issuer that the tenant removed and added again speaks of the same people: its name is what they are known by.
    """
    row = await connection.fetchrow(
        """SELECT m.id::text, m.removed_at IS NULL AS present
           FROM identities i JOIN issuers s ON s.id = i.issuer_id JOIN members m ON m.id = i.member_id
           WHERE s.tenant = $1 AND s.issuer = $2 AND i.subject = $3
           ORDER BY i.linked_at DESC LIMIT 1 FOR UPDATE OF m""",
        issuer.tenant,
        issuer.issuer,
        subject,
    )
    return None if row is None else (row["id"], row["present"])


async def link(connection: Connection, issuer_id: str, subject: str, member_id: str, now: datetime) -> None:
    """Note whom a subject is, once and for all."""
    await connection.execute(
        "INSERT INTO identities (issuer_id, subject, member_id, linked_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        issuer_id,
        subject,
        member_id,
        now,
    )


async def roles_through(connection: Connection, issuer_id: str, member_id: str) -> frozenset[str]:
    """Return the roles that an issuer has said that somebody has, however long ago."""
    rows = await connection.fetch(
        "SELECT role FROM group_roles WHERE issuer_id = $1 AND member_id = $2", issuer_id, member_id
    )
    return frozenset(row["role"] for row in rows)


async def say_roles(
    connection: Connection, issuer_id: str, member_id: str, roles: frozenset[str], now: datetime
) -> None:
    """Keep what an issuer says of somebody's roles now, all of them."""
    await connection.execute(
        "DELETE FROM group_roles WHERE issuer_id = $1 AND member_id = $2 AND role <> ALL($3::text[])",
        issuer_id,
        member_id,
        list(roles),
    )
    await connection.execute(
        """INSERT INTO group_roles (member_id, role, issuer_id, said_at) SELECT $2, role, $1, $4 FROM unnest($3::text[]) role
           ON CONFLICT (member_id, role, issuer_id) DO UPDATE SET said_at = excluded.said_at""",
        issuer_id,
        member_id,
        sorted(roles),
        now,
    )


async def of_session(connection: Connection, session_id: str) -> tuple[str, str] | None:
    """Return the member and the issuer of a session that lives; None also where it did not begin at one."""
    row = await connection.fetchrow(
        """SELECT member_id::text, issuer_id::text FROM sessions
           WHERE id = $1 AND issuer_id IS NOT NULL AND ended_at IS NULL AND expires_at > clock_timestamp()""",
        session_id,
    )
    return None if row is None else (row["member_id"], row["issuer_id"])


async def to_say_again(connection: Connection, session_id: str) -> list[str]:
    """List the roles that the issuer of a session gave its holder, and has not confirmed for five minutes."""
    rows = await connection.fetch(
        """SELECT g.role FROM sessions s JOIN group_roles g ON g.member_id = s.member_id AND g.issuer_id = s.issuer_id
           WHERE s.id = $1 AND g.said_at <= clock_timestamp() - interval '5 minutes' ORDER BY g.role""",
        session_id,
    )
    return [row["role"] for row in rows]


def _issuer(row: Record) -> Issuer:
    return Issuer(
        id=row["id"],
        tenant=row["tenant"],
        issuer=row["issuer"],
        name=row["name"],
        client_id=row["client_id"],
        sealed_secret=row["client_secret"],
        algorithm=row["algorithm"],
        group_claim=row["group_claim"],
        mapping=orjson.loads(row["mapping"]),
    )
