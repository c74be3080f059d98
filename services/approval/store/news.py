"""Word of stored requests, for those who watch: a notification in the transaction that stores one, sent with its commit."""

from collections.abc import Sequence
from typing import Final

from shared.database.pool import Connection
from shared.lifecycle import RequestState

CHANNEL: Final = "requests_changed"


async def tell(connection: Connection, state: RequestState) -> None:
    """Say at the commit that a request is not as it was: whose data and whose request it is, and whether the customer sees it."""
    if state.submitted is None:
        return
    seen = "shown" if state.provider_approved_at is not None else "hidden"
    said = f"{seen} {state.submitted.tenant} {state.submitted.engineer.id}"
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, said)


async def living(connection: Connection, session_ids: Sequence[str]) -> frozenset[str]:
    """Give those sessions that still count, of people who are still members."""
    rows = await connection.fetch(
        """SELECT s.id::text FROM sessions s JOIN members m ON m.id = s.member_id
           WHERE s.id = ANY($1::uuid[]) AND s.ended_at IS NULL AND s.expires_at > clock_timestamp()
             AND m.removed_at IS NULL""",
        list(session_ids),
    )
    return frozenset(row["id"] for row in rows)
