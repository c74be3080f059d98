"""Tenants and their settings."""

from typing import Literal

from asyncpg import Record

from services.approval.domain.tenants import Tenant
from shared.database.pool import Connection
from shared.events.values import Settings

_TENANTS = "SELECT tenant, name, entitled, settings, settings_version FROM tenants"
_TENANT = f"{_TENANTS} WHERE tenant = $1"


async def find(connection: Connection, tenant: str) -> Tenant | None:
    row = await connection.fetchrow(_TENANT, tenant)
    return None if row is None else _tenant(row)


async def hold(connection: Connection, tenant: str, lock: Literal["SHARE", "UPDATE"]) -> Tenant | None:
    """Return a tenant and keep it as it is until the transaction ends: SHARE to decide by it, UPDATE to change it."""
    row = await connection.fetchrow(f"{_TENANT} FOR {lock}", tenant)
    return None if row is None else _tenant(row)


async def add(connection: Connection, tenant: Tenant) -> None:
    """Store a new tenant, at revision 0: what is recorded of it makes the next."""
    await connection.execute(
        """INSERT INTO tenants (tenant, name, entitled, settings, settings_version, revision)
           VALUES ($1, $2, $3, $4, $5, 0)""",
        tenant.tenant,
        tenant.name,
        tenant.entitled,
        tenant.settings.model_dump_json(),
        tenant.version,
    )


async def put(connection: Connection, tenant: Tenant) -> None:
    """Store a tenant that is held for UPDATE."""
    await connection.execute(
        "UPDATE tenants SET entitled = $2, settings = $3, settings_version = $4 WHERE tenant = $1",
        tenant.tenant,
        tenant.entitled,
        tenant.settings.model_dump_json(),
        tenant.version,
    )


async def listed(connection: Connection, *, after: str | None, limit: int) -> list[Tenant]:
    """List tenants by their ids, from behind `after`."""
    rows = await connection.fetch(
        f"{_TENANTS} WHERE $1::text IS NULL OR tenant > $1 ORDER BY tenant LIMIT $2", after, limit
    )
    return [_tenant(row) for row in rows]


async def names(connection: Connection) -> set[str]:
    """Return the ids of all tenants."""
    return {row["tenant"] for row in await connection.fetch("SELECT tenant FROM tenants")}


def _tenant(row: Record) -> Tenant:
    return Tenant(
        tenant=row["tenant"],
        name=row["name"],
        entitled=row["entitled"],
        settings=Settings.model_validate_json(row["settings"]),
        version=row["settings_version"],
    )
