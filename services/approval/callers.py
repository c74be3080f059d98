"""Who is calling: the session behind a token, and the member behind the session as he is known now."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security

from services.approval.domain.people import Member
from services.approval.parts import Standing
from services.approval.store import members
from shared.database.pool import ACQUIRE_SECONDS, Connection
from shared.security.bearer import bearer_token
from shared.security.tokens import InvalidToken
from shared.web.fields import parse_id
from shared.web.idempotency import Claim, IdempotencyKey, claim_of


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is signed in. His roles are those of this moment; a decision reads them again under its locks."""

    member: Member
    session_id: str
    method: str

    @property
    def name(self) -> str:
        """How idempotency keys know him."""
        return f"{self.member.realm}:{self.member.id}"


async def signed_in(parts: Standing, token: Annotated[str, Security(bearer_token)]) -> Caller:
    """Dependency: the caller. Raises Problem 401, and InvalidToken for a token or session that does not count (any more)."""
    claims = await parts.verifier.verify(token)
    try:
        session_id = parse_id(claims.session_id)
    except ValueError:
        raise InvalidToken("claim_missing") from None
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        caller = await _behind(connection, session_id)
    if (caller.member.id, caller.member.realm) != (claims.subject, claims.realm):
        raise InvalidToken("another_member")
    return caller


SignedIn = Annotated[Caller, Depends(signed_in)]


async def claimed(request: Request, key: IdempotencyKey, caller: SignedIn, parts: Standing) -> Claim | None:
    """Dependency: what a call that is sent again is known by; None where it has no Idempotency-Key."""
    return await claim_of(request, key, caller=caller.name, digest=parts.digest)


Claimed = Annotated[Claim | None, Depends(claimed)]


async def as_known_now(connection: Connection, caller: Caller) -> Caller:
    """Read the caller again, in a transaction that holds him: what counts is what he is when he decides.

    Raises InvalidToken where his session has ended meanwhile.
    """
    return await _behind(connection, caller.session_id)


async def _behind(connection: Connection, session_id: str) -> Caller:
    found = await members.of_session(connection, session_id)
    if found is None:
        raise InvalidToken("session_ended")
    member, method = found
    return Caller(member, session_id, method)
