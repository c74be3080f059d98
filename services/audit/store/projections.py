"""How far each projection has read, and how one is emptied."""

from collections.abc import Sequence

from shared.database.pool import Connection


async def take_position(connection: Connection, name: str) -> int:
    """Return how far a projection has read, and hold it for this transaction: one moves it at a time."""
    position: int = await connection.fetchval("SELECT position FROM projections WHERE name = $1 FOR UPDATE", name)
    return position


async def move(connection: Connection, name: str, position: int) -> None:
    """Say how far a projection has read."""
    await connection.execute("UPDATE projections SET position = $2 WHERE name = $1", name, position)


async def positions(connection: Connection) -> dict[str, int]:
    """Return how far each projection has read."""
    return {row["name"]: row["position"] for row in await connection.fetch("SELECT name, position FROM projections")}


async def wipe(connection: Connection, name: str, tables: Sequence[str], types: Sequence[str]) -> None:
    """Remove a projection's rows, and what waits of its events: all of it will be read again.

    Not TRUNCATE: readers go on seeing the old rows until the transaction ends.
    """
    for table in tables:
        await connection.execute(f"DELETE FROM {table}")  # noqa: S608 - A name of ours.
    await connection.execute(
        "DELETE FROM parked USING leaves WHERE parked.event_id = leaves.event_id AND leaves.type = ANY($1::text[])",
        types,
    )
    await connection.execute("DELETE FROM dead_letters WHERE replayed_at IS NULL AND type = ANY($1::text[])", types)
    await move(connection, name, 0)
