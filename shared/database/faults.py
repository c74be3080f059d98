"""Which faults pass by themselves: the work is tried again later, and nothing is lost or dead because of them."""

import asyncpg
from asyncpg import exceptions as pg

# Connection lost or refused, server stopping or starting, out of connections, memory or disk, and the conflicts that a
# second try resolves. SQLSTATE classes 08, 53, 57P, 40.
TRANSIENT: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What asyncpg answers on a connection whose end it has begun to read: a server that stops says so before it hangs up.
    asyncpg.InternalClientError,
    pg.PostgresConnectionError,
    pg.InsufficientResourcesError,
    pg.OperatorInterventionError,
    pg.TransactionRollbackError,
    pg.LockNotAvailableError,
    pg.ReadOnlySQLTransactionError,
)


def is_transient(error: BaseException) -> bool:
    """Say whether the same work may succeed later without a change of it."""
    return isinstance(error, TRANSIENT)
