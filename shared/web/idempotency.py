"""Idempotency keys: a call that is sent again takes effect once, and gets the same answer.

A key's row is inserted first in the transaction of the effect, so a parallel call with the same key waits at it, and the
answer is stored before the commit. A refused call leaves no row: it made nothing, and its key stays free.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from pydantic import SecretStr

from shared.database.pool import Connection
from shared.security.keys import derive_key
from shared.web.problems import Problem, invalid

KEPT: Final = timedelta(hours=24)
HEADER: Final = "Idempotency-Key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Claim:
    """One call: who makes it (`provider:<id>`), what it calls (`POST /v1/requests`), its key, and its body's digest."""

    caller: str
    route: str
    key: str
    digest: bytes

    @property
    def place(self) -> tuple[str, str, str]:
        """What identifies it: a key counts for its caller and route alone."""
        return self.caller, self.route, self.key


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer that the first call got."""

    status: int
    body: bytes

    def response(self) -> Response:
        """Give it again, byte for byte."""
        return Response(self.body, self.status, media_type="application/json")


@dataclass(frozen=True, slots=True)
class Twin:
    """The same call stands in the same batch, at the position `of`: answer with what that one gets."""

    of: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a claimed call is answered. `body` is None where it holds a secret: a repeat is then 409 `already_made`."""

    claim: Claim
    status: int
    body: bytes | None


class BodyDigest:
    """Digests bodies for comparison with a key of ours: who reads the table cannot guess a body from its digest."""

    def __init__(self, secret: SecretStr) -> None:
        self._key = derive_key(secret.get_secret_value(), "lockbox idempotency bodies")

    def __call__(self, body: bytes) -> bytes:
        """Give the HMAC-SHA-256 of a body."""
        return hmac.digest(self._key, body, "sha256")


async def idempotency_key(request: Request) -> str | None:
    """Read the header of a call: its value, or None. Raises Problem 422 for one that cannot be a key."""
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1:
        raise invalid((HEADER, "must be sent once"))
    if _KEY.fullmatch(given[0]) is None:
        raise invalid((HEADER, "must have 1 to 255 printable ASCII characters, such as a UUID"))
    return given[0]


IdempotencyKey = Annotated[str | None, Depends(idempotency_key)]
"""`idempotency_key` as a dependency. A route that is called very often reads it itself, which costs less."""
DOCUMENTED: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "Chosen by the caller; the same key and body within 24 h give the same answer.",
        }
    ]
}
"""The `openapi_extra` of a route that takes the header."""


async def claim_of(request: Request, key: str | None, *, caller: str, digest: BodyDigest) -> Claim | None:
    """Make the claim of a call, or None when it has no key. The route is the method and the address as it was called."""
    if key is None:
        return None
    return Claim(caller, f"{request.method} {request.url.path}", key, digest(await request.body()))


_INSERT = """
INSERT INTO idempotency AS kept (caller, route, key, digest)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
ON CONFLICT (caller, route, key) DO UPDATE
    SET digest = excluded.digest, made_at = clock_timestamp(), status = NULL, body = NULL
    WHERE kept.made_at < clock_timestamp() - $5::interval
RETURNING caller, route, key
"""
_FIND = """
SELECT caller, route, key, digest, status, body
FROM idempotency JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (caller, route, key)
    USING (caller, route, key)
"""


async def claim(connection: Connection, claims: Sequence[Claim | None]) -> list[Stored | Twin | Problem | None]:
    """Claim the keys of a batch of calls, inside the transaction of their effects, before anything else is locked.

    For each call, at its position: None (it is the first: do it, then `store` its answer, or `release` it when it is
    refused), Stored (answer with that), Twin, or Problem 422 `idempotency_conflict` or 409 `already_made`. A call without
    a key (None) gets None. Waits while another transaction holds one of the keys.
    """
    first: dict[tuple[str, str, str], int] = {}
    for position, one in enumerate(claims):
        if one is not None:
            first.setdefault(one.place, position)
    if not first:
        return [None] * len(claims)
    # Every transaction takes its keys in this one order, so two of them never wait for each other.
    places = sorted(first)
    digests = [_claimed(claims, first[place]).digest for place in places]
    columns = [list(column) for column in zip(*places, strict=True)]
    rows = await connection.fetch(_INSERT, *columns, digests, KEPT)
    mine = {tuple(row) for row in rows}
    kept: dict[tuple[str, str, str], tuple[bytes, int | None, bytes | None]] = {}
    taken = [place for place in places if place not in mine]
    if taken:
        # A statement of its own, which sees what was committed while the first one waited (READ COMMITTED).
        found = await connection.fetch(_FIND, *([list(column) for column in zip(*taken, strict=True)]))
        kept = {(row[0], row[1], row[2]): (row[3], row[4], row[5]) for row in found}
    return [
        None if one is None else _verdict(one, position, first[one.place], claims, kept)
        for position, one in enumerate(claims)
    ]


def _claimed(claims: Sequence[Claim | None], position: int) -> Claim:
    one = claims[position]
    assert one is not None
    return one


def _verdict(
    one: Claim,
    position: int,
    first: int,
    claims: Sequence[Claim | None],
    kept: Mapping[tuple[str, str, str], tuple[bytes, int | None, bytes | None]],
) -> Stored | Twin | Problem | None:
    if one.place in kept:
        digest, status, body = kept[one.place]
        if not hmac.compare_digest(digest, one.digest):
            return _conflict()
        return Stored(status, body) if status is not None and body is not None else _already_made()
    if position == first:
        return None
    return Twin(first) if hmac.compare_digest(_claimed(claims, first).digest, one.digest) else _conflict()


def _conflict() -> Problem:
    message = "was used for another body within the last 24 hours: choose a new key"
    return invalid((HEADER, message), code="idempotency_conflict")


def _already_made() -> Problem:
    return Problem(
        409, "already_made", "This was made by an earlier call, and its answer held a secret: that is given once."
    )


async def store(connection: Connection, answers: Sequence[Answer]) -> None:
    """Store the answers of calls that were claimed in this transaction."""
    kept = [one for one in answers if one.body is not None]
    if kept:
        await connection.execute(
            """
            UPDATE idempotency SET status = given.status, body = given.body
            FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::bytea[])
                AS given (caller, route, key, status, body)
            WHERE (idempotency.caller, idempotency.route, idempotency.key) = (given.caller, given.route, given.key)
            """,
            *_columns([one.claim for one in kept]),
            [one.status for one in kept],
            [one.body for one in kept],
        )


async def release(connection: Connection, claims: Sequence[Claim]) -> None:
    """Give up claims of this transaction whose calls were refused while others of its batch go on."""
    if claims:
        await connection.execute(
            """
            DELETE FROM idempotency USING unnest($1::text[], $2::text[], $3::text[]) AS given (caller, route, key)
            WHERE (idempotency.caller, idempotency.route, idempotency.key) = (given.caller, given.route, given.key)
            """,
            *_columns(claims),
        )


def _columns(claims: Sequence[Claim]) -> tuple[list[str], list[str], list[str]]:
    return [one.caller for one in claims], [one.route for one in claims], [one.key for one in claims]


async def claim_one(connection: Connection, one: Claim | None) -> Stored | None:
    """Claim the key of a single call: None when it is the first (or has no key), else the answer that was given.

    Raises Problem 422 `idempotency_conflict` and 409 `already_made`.
    """
    (verdict,) = await claim(connection, [one])
    if isinstance(verdict, Problem):
        raise verdict
    assert not isinstance(verdict, Twin)
    return verdict


async def was_made(connection: Connection, one: Claim) -> bool:
    """Say whether a call of this key has had its answer already. Locks nothing; the claim itself decides."""
    made: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM idempotency WHERE caller = $1 AND route = $2 AND key = $3 AND status IS NOT NULL)",
        one.caller,
        one.route,
        one.key,
    )
    return made


async def store_one(connection: Connection, one: Claim | None, status: int, body: bytes | None) -> None:
    """Store the answer of a single call; nothing where it has no key."""
    if one is not None:
        await store(connection, [Answer(one, status, body)])


async def prune(connection: Connection, *, limit: int = 10_000) -> int:
    """Remove at most `limit` rows that are older than 24 hours; return how many. For a service's housekeeping."""
    done: str = await connection.execute(
        """
        DELETE FROM idempotency WHERE (caller, route, key) IN (
            SELECT caller, route, key FROM idempotency WHERE made_at < clock_timestamp() - $1::interval
            ORDER BY made_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        """,
        KEPT,
        limit,
    )
    return int(done.rpartition(" ")[2])
