"""Browsers that were sent to an issuer and have not come back."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.database.pool import Connection

# How long the way to an issuer and back may take.
GOOD_FOR: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way. `browser` is the hash of what its browser keeps; `silent`: nobody shall be asked anything."""

    browser: bytes
    issuer_id: str
    next: str
    silent: bool


async def begin(connection: Connection, state: bytes, begun: Begun) -> None:
    """Note a sign-in under the hash of its state."""
    await connection.execute(
        """INSERT INTO oidc_flows (state, browser, issuer_id, next, silent, expires_at)
           VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::interval)""",
        state,
        begun.browser,
        begun.issuer_id,
        begun.next,
        begun.silent,
        GOOD_FOR,
    )


async def take(connection: Connection, state: bytes) -> Begun | None:
    """Take a sign-in away, whoever comes with its state: it counts once. None where there is none, or its time is over."""
    row = await connection.fetchrow(
        """DELETE FROM oidc_flows WHERE state = $1
           RETURNING browser, issuer_id::text, next, silent, expires_at > clock_timestamp() AS in_time""",
        state,
    )
    if row is None or not row["in_time"]:
        return None
    return Begun(row["browser"], row["issuer_id"], row["next"], row["silent"])


async def prune(connection: Connection) -> int:
    """Remove sign-ins that nobody came back from; return how many."""
    done: str = await connection.execute("DELETE FROM oidc_flows WHERE expires_at < clock_timestamp()")
    return int(done.rpartition(" ")[2])
