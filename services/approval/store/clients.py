"""Machines' credentials. Whoever makes or ends one holds its realm."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from shared.database.pool import Connection

_CLIENT = "SELECT id::text, realm, name, scopes, made_at FROM clients WHERE revoked_at IS NULL"


@dataclass(frozen=True, slots=True)
class Client:
    """A credential that counts."""

    id: str
    realm: str
    name: str
    scopes: Sequence[str]
    made_at: datetime


async def add(connection: Connection, client: Client, digest: bytes) -> None:
    """Store a new one; `digest` is the keyed hash of its secret."""
    await connection.execute(
        """INSERT INTO clients (id, realm, name, scopes, digest, made_at, revision) VALUES ($1, $2, $3, $4, $5, $6, 0)""",
        client.id,
        client.realm,
        client.name,
        list(client.scopes),
        digest,
        client.made_at,
    )


async def revoke(connection: Connection, realm: str, client_id: str, now: datetime) -> Client | None:
    """End a credential and return it; None where the realm has none such."""
    row = await connection.fetchrow(
        """UPDATE clients SET revoked_at = $3 WHERE realm = $1 AND id = $2 AND revoked_at IS NULL
           RETURNING id::text, realm, name, scopes, made_at""",
        realm,
        client_id,
        now,
    )
    return None if row is None else _client(row)


async def listed(connection: Connection, realm: str, *, before: str | None, limit: int) -> list[Client]:
    """List a realm's credentials, newest first, from below the id `before`."""
    rows = await connection.fetch(
        f"{_CLIENT} AND realm = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3", realm, before, limit
    )
    return [_client(row) for row in rows]


async def with_digest(connection: Connection, client_id: str) -> tuple[Client, bytes] | None:
    """Find a credential with the keyed hash of its secret."""
    row = await connection.fetchrow(f"{_CLIENT.replace('made_at', 'made_at, digest')} AND id = $1", client_id)
    return None if row is None else (_client(row), row["digest"])


def _client(row: Record) -> Client:
    return Client(row["id"], row["realm"], row["name"], row["scopes"], row["made_at"])
