"""Connections to a service's own database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection = asyncpg.Connection | PoolConnectionProxy
Pool = asyncpg.Pool

# What a caller waits at most for a connection or for a statement before he is told that the service is unavailable.
ACQUIRE_SECONDS = 5.0
STATEMENT_SECONDS = 30.0


async def open_pool(url: str, *, service: str, size: int = 10) -> Pool:
    """Open a pool of at most `size` connections. Raises the transient faults of `shared.database.faults`."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=ACQUIRE_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        server_settings={"application_name": service, "timezone": "UTC"},
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Run the block in one transaction: committed at its end, undone when it raises."""
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
        yield connection


async def clock(connection: Connection) -> datetime:
    """Read the database's clock now. Call it after the row lock: `now()` is the start of the transaction."""
    moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return moment


def is_open(connection: Connection) -> bool:
    """Say whether a connection taken from a pool can still be used: one that was lost has gone back to it meanwhile."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False
