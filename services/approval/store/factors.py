"""Second factors: one-time passwords and passkeys. Only confirmed ones count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from asyncpg import Record

from shared.database.pool import Connection

FactorKind = Literal["totp", "passkey"]

_FACTOR = "SELECT id::text, kind, name, added_at, last_used_at FROM factors"
_PASSKEY = "SELECT id::text, credential_id, public_key, rp_id, origin, sign_count FROM factors"


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor as its holder is shown it."""

    id: str
    kind: FactorKind
    name: str | None
    added_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Totp:
    """A one-time password's secret, encrypted, and the last time step whose code was used."""

    id: str
    secret: bytes
    last_step: int | None


@dataclass(frozen=True, slots=True)
class Passkey:
    """What a passkey's assertions are verified by."""

    id: str
    credential_id: bytes
    public_key: bytes
    rp_id: str
    origin: str
    sign_count: int


async def of(connection: Connection, member_id: str) -> list[Factor]:
    """List somebody's factors, oldest first."""
    rows = await connection.fetch(
        f"{_FACTOR} WHERE member_id = $1 AND confirmed_at IS NOT NULL ORDER BY added_at, id", member_id
    )
    return [_factor(row) for row in rows]


async def remove(connection: Connection, member_id: str, factor_id: str) -> Factor | None:
    """Remove one factor of somebody whose row is held FOR UPDATE; None where he has none such."""
    row = await connection.fetchrow(
        """DELETE FROM factors WHERE member_id = $1 AND id = $2 AND confirmed_at IS NOT NULL
           RETURNING id::text, kind, name, added_at, last_used_at""",
        member_id,
        factor_id,
    )
    return None if row is None else _factor(row)


async def remove_all(connection: Connection, member_id: str) -> list[Factor]:
    """Remove all factors of somebody whose row is held FOR UPDATE, begun ones too; return those that counted.

    Each of them is to be told as FactorRemoved.
    """
    rows = await connection.fetch(
        """DELETE FROM factors WHERE member_id = $1
           RETURNING id::text, kind, name, added_at, last_used_at, confirmed_at""",
        member_id,
    )
    await connection.execute("DELETE FROM registrations WHERE member_id = $1", member_id)
    counted = [row for row in rows if row["confirmed_at"] is not None]
    return [_factor(row) for row in sorted(counted, key=lambda row: (row["added_at"], row["id"]))]


# One-time passwords.


async def begin_totp(connection: Connection, factor_id: str, member_id: str, *, secret: bytes, now: datetime) -> None:
    """Keep a new secret until a first code confirms it; one that was begun before is given up."""
    await connection.execute(
        "DELETE FROM factors WHERE member_id = $1 AND kind = 'totp' AND confirmed_at IS NULL", member_id
    )
    await connection.execute(
        "INSERT INTO factors (id, member_id, kind, added_at, secret) VALUES ($1, $2, 'totp', $3, $4)",
        factor_id,
        member_id,
        now,
        secret,
    )


async def begun_totp(connection: Connection, member_id: str, factor_id: str) -> Totp | None:
    """Return what waits for its first code."""
    row = await connection.fetchrow(
        """SELECT id::text, secret, last_step FROM factors
           WHERE member_id = $1 AND id = $2 AND kind = 'totp' AND confirmed_at IS NULL FOR UPDATE""",
        member_id,
        factor_id,
    )
    return None if row is None else Totp(row["id"], row["secret"], row["last_step"])


async def confirm_totp(connection: Connection, factor_id: str, *, step: int, now: datetime) -> Factor:
    """Let a factor count from now on; the step of its first code is used."""
    row = await connection.fetchrow(
        """UPDATE factors SET confirmed_at = $2, added_at = $2, last_step = $3 WHERE id = $1
           RETURNING id::text, kind, name, added_at, last_used_at""",
        factor_id,
        now,
        step,
    )
    assert row is not None, "it is held"
    return _factor(row)


async def hold_totp(connection: Connection, member_id: str) -> Totp | None:
    """Return somebody's one-time password, and keep others from using it until the transaction ends."""
    row = await connection.fetchrow(
        """SELECT id::text, secret, last_step FROM factors
           WHERE member_id = $1 AND kind = 'totp' AND confirmed_at IS NOT NULL FOR UPDATE""",
        member_id,
    )
    return None if row is None else Totp(row["id"], row["secret"], row["last_step"])


async def used_totp(connection: Connection, factor_id: str, *, step: int, now: datetime) -> None:
    """Use up a time step of a factor that is held: none of its codes counts again, nor an earlier one's."""
    await connection.execute("UPDATE factors SET last_step = $2, last_used_at = $3 WHERE id = $1", factor_id, step, now)


# Passkeys.


async def begin_registration(connection: Connection, member_id: str, challenge: bytes, expires_at: datetime) -> None:
    """Keep the challenge of a registration, in place of an earlier one."""
    await connection.execute(
        """INSERT INTO registrations (member_id, challenge, expires_at) VALUES ($1, $2, $3)
           ON CONFLICT (member_id) DO UPDATE SET challenge = excluded.challenge, expires_at = excluded.expires_at""",
        member_id,
        challenge,
        expires_at,
    )


async def take_registration(connection: Connection, member_id: str, now: datetime) -> bytes | None:
    """Take out the challenge of a registration: it counts once, and only until it expires."""
    row = await connection.fetchrow(
        "DELETE FROM registrations WHERE member_id = $1 RETURNING challenge, expires_at", member_id
    )
    if row is None or row["expires_at"] <= now:
        return None
    challenge: bytes = row["challenge"]
    return challenge


async def add_passkey(
    connection: Connection, passkey: Passkey, member_id: str, *, name: str | None, now: datetime
) -> Factor:
    """Store a passkey. Raises asyncpg's UniqueViolationError where the credential is registered already."""
    row = await connection.fetchrow(
        """INSERT INTO factors (id, member_id, kind, name, added_at, confirmed_at, credential_id, public_key, rp_id, origin,
                                sign_count)
           VALUES ($1, $2, 'passkey', $3, $4, $4, $5, $6, $7, $8, $9)
           RETURNING id::text, kind, name, added_at, last_used_at""",
        passkey.id,
        member_id,
        name,
        now,
        passkey.credential_id,
        passkey.public_key,
        passkey.rp_id,
        passkey.origin,
        passkey.sign_count,
    )
    assert row is not None
    return _factor(row)


async def passkeys(connection: Connection, member_id: str) -> Sequence[Passkey]:
    """List somebody's passkeys, oldest first."""
    rows = await connection.fetch(
        f"{_PASSKEY} WHERE member_id = $1 AND kind = 'passkey' ORDER BY added_at, id", member_id
    )
    return [_passkey(row) for row in rows]


async def hold_passkey(connection: Connection, member_id: str, credential_id: bytes) -> Passkey | None:
    """Return somebody's passkey, and keep others from using it until the transaction ends."""
    row = await connection.fetchrow(
        f"{_PASSKEY} WHERE member_id = $1 AND kind = 'passkey' AND credential_id = $2 FOR UPDATE",
        member_id,
        credential_id,
    )
    return None if row is None else _passkey(row)


async def used_passkey(connection: Connection, factor_id: str, *, sign_count: int, now: datetime) -> None:
    """Note the use of a passkey that is held, with its own count of uses."""
    await connection.execute(
        "UPDATE factors SET sign_count = $2, last_used_at = $3 WHERE id = $1", factor_id, sign_count, now
    )


async def prune(connection: Connection) -> int:
    """Remove what was begun and not finished an hour ago; return how many."""
    begun: str = await connection.execute(
        "DELETE FROM factors WHERE confirmed_at IS NULL AND added_at < clock_timestamp() - interval '1 hour'"
    )
    asked: str = await connection.execute("DELETE FROM registrations WHERE expires_at < clock_timestamp()")
    return int(begun.rpartition(" ")[2]) + int(asked.rpartition(" ")[2])


def _factor(row: Record) -> Factor:
    return Factor(row["id"], row["kind"], row["name"], row["added_at"], row["last_used_at"])


def _passkey(row: Record) -> Passkey:
    return Passkey(
        id=row["id"],
        credential_id=row["credential_id"],
        public_key=row["public_key"],
        rp_id=row["rp_id"],
        origin=row["origin"],
        sign_count=row["sign_count"],
    )
