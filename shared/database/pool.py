"""Connections to a service's own database."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection = asyncpg.Connection | PoolConnectionProxy
Pool = asyncpg.Pool

# What a caller waits at most for a connection or for a statement before he is told that the service is unavailable.
ACQUIRE_SECONDS = 5.0
STATEMENT_SECONDS = 30.0


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Leave a connection as it is when it is given back: asyncpg has rolled back what was open.

    Its own reset is one more round trip after each use. Nothing here changes a session for longer than a transaction: what
    listens, or holds a lock beyond one, ends its connection instead (`listening`).
    """


async def open_pool(url: str, *, service: str, size: int = 10) -> Pool:
    """Open a pool of at most `size` connections. Raises the transient faults of `shared.database.faults`."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=ACQUIRE_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        reset=_nothing_to_reset,
        server_settings={"application_name": service, "timezone": "UTC"},
    )


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Run the block in one transaction: committed at its end, undone when it raises."""
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def listening(pool: Pool, channel: str, told: Callable[..., None]) -> AsyncIterator[Connection]:
    """Take a connection that calls `told` at each NOTIFY of a channel, for the length of the block.

    It is closed at the end instead of given back: what it holds (advisory locks, LISTEN) ends with it, and no statement that
    could fail stands between a stop and its effect.
    """
    async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        try:
            await connection.add_listener(channel, told)
            yield connection
        finally:
            if is_open(connection):
                connection.terminate()


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
