"""Which token is on record, in which log, for which hour."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.database.pool import Connection


async def missing(connection: Connection, token_id: str, tenants: Sequence[str]) -> bool:
    """Say whether a log does not have this token's read in this hour yet."""
    noted: int = await connection.fetchval(
        """SELECT count(*) FROM reads
           WHERE token_id = $1 AND tenant = ANY($2::text[]) AND hour = date_trunc('hour', clock_timestamp(), 'UTC')""",
        token_id,
        tenants,
    )
    return noted < len(tenants)


async def keep(
    connection: Connection, token_id: str, tenants: Sequence[str], *, kept: timedelta
) -> tuple[datetime, list[str]]:
    """Note the token's read in this hour; return the hour, and the logs that did not have it yet. Removes old notes."""
    hour: datetime = await connection.fetchval("SELECT date_trunc('hour', clock_timestamp(), 'UTC')")
    await connection.execute("DELETE FROM reads WHERE hour < $1::timestamptz - $2::interval", hour, kept)
    rows = await connection.fetch(
        """INSERT INTO reads (token_id, tenant, hour) SELECT $1, tenant, $3 FROM unnest($2::text[]) AS t (tenant)
           ON CONFLICT DO NOTHING RETURNING tenant""",
        token_id,
        tenants,
        hour,
    )
    return hour, sorted(row["tenant"] for row in rows)
