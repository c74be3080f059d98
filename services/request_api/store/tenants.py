"""What is known of tenants. A later event counts, in whatever order they arrive."""

from collections.abc import Sequence

from services.request_api.domain.submission import TenantRules
from shared.database.pool import Connection
from shared.events.values import Settings


async def rules(connection: Connection, tenants: Sequence[str]) -> dict[str, TenantRules]:
    """Read what the settings of tenants say about requests; one that is not registered is left out."""
    rows = await connection.fetch(
        """SELECT tenant, decision_window, max_duration, services FROM tenants
           WHERE tenant = ANY($1) AND registered AND settings_sequence > 0""",
        tenants,
    )
    return {
        row["tenant"]: TenantRules(row["decision_window"], row["max_duration"], frozenset(row["services"]))
        for row in rows
    }


async def enabled(connection: Connection) -> set[str]:
    """Name the registered tenants whose lockbox is on."""
    rows = await connection.fetch("SELECT tenant FROM tenants WHERE registered AND enabled")
    return {row["tenant"] for row in rows}


async def register(connection: Connection, tenant: str) -> None:
    await connection.execute(
        """INSERT INTO tenants (tenant, registered) VALUES ($1, true)
           ON CONFLICT (tenant) DO UPDATE SET registered = true""",
        tenant,
    )


async def set_settings(connection: Connection, tenant: str, settings: Settings, sequence: int) -> None:
    await connection.execute(
        """INSERT INTO tenants AS t (tenant, decision_window, max_duration, services, settings_sequence)
           VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (tenant) DO UPDATE
              SET decision_window = excluded.decision_window, max_duration = excluded.max_duration,
                  services = excluded.services,
                  settings_sequence = excluded.settings_sequence
              WHERE t.settings_sequence < excluded.settings_sequence""",
        tenant,
        settings.decision_window,
        settings.max_duration,
        settings.services,
        sequence,
    )
    await set_enabled(connection, tenant, sequence, enabled=settings.enabled)


async def set_enabled(connection: Connection, tenant: str, sequence: int, *, enabled: bool) -> None:
    await connection.execute(
        """INSERT INTO tenants AS t (tenant, enabled, enabled_sequence) VALUES ($1, $2, $3)
           ON CONFLICT (tenant) DO UPDATE
              SET enabled = excluded.enabled, enabled_sequence = excluded.enabled_sequence
              WHERE t.enabled_sequence < excluded.enabled_sequence""",
        tenant,
        enabled,
        sequence,
    )
