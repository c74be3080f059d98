"""Signing in and out, and the keys by which the other services know a session's token."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Response
from prometheus_client import Counter
from pydantic import BaseModel

from services.approval.callers import SignedIn
from services.approval.domain.people import Member
from services.approval.parts import SERVICE, Parts, parts_of
from services.approval.store import members, sessions
from shared.database.outbox import append
from shared.database.pool import ACQUIRE_SECONDS, Connection, clock, transaction
from shared.events.envelope import Actor, Draft, new_id
from shared.events.members import SessionRevoked
from shared.observability.metrics import REGISTRY
from shared.security.keys import public_jwks
from shared.security.passwords import hash_password, needs_rehash, verify_password
from shared.security.tokens import InvalidToken, issue_session
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Email, GivenPassword, Realm
from shared.web.problems import Problem, refuses

router = Router(tags=["sessions"])

SIGN_INS = Counter("lockbox_sign_ins", "Sign-ins with a password.", ["outcome"], registry=REGISTRY)
# A token is for its holder alone: no cache keeps it (RFC 6749, 5.1).
_NOT_KEPT = {"Cache-Control": "no-store"}


class SignIn(Body):
    """`realm` is `provider` or a tenant."""

    realm: Realm
    email: Email
    password: GivenPassword


class SessionAnswer(BaseModel):
    access_token: str
    expires_in: int
    realm: str
    roles: list[str]


@router.post(
    "/v1/sessions",
    summary="Sign in: one token for all services",
    response_model=SessionAnswer,
    responses=refuses({401: "`invalid_credentials`: realm, address or password is wrong"}),
)
async def sign_in(body: SignIn, parts: Annotated[Parts, Depends(parts_of)]) -> Response:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await members.with_password(connection, body.realm, body.email)
    member, stored = (None, None) if found is None else found
    given = body.password.get_secret_value()
    # As much work for an account that does not exist, so that the time tells nobody which do.
    if not await verify_password(stored, given) or member is None or stored is None:
        raise _refused()
    renewed = await hash_password(given) if needs_rehash(stored) else None
    async with transaction(parts.pool) as connection:
        # A password that was changed while this one was compared ends every older session: this one must not slip through.
        if await members.hold_password(connection, member.id, alone=renewed is not None) != stored:
            raise _refused()
        if renewed is not None:
            await members.set_password(connection, member.id, renewed)
        token, expires_in = await _begin(connection, parts, member)
    SIGN_INS.labels("done").inc()
    content = {
        "access_token": token,
        "expires_in": expires_in,
        "realm": member.realm,
        "roles": sorted(member.roles),
    }
    return answer(content, headers=_NOT_KEPT)


async def _begin(connection: Connection, parts: Parts, member: Member) -> tuple[str, int]:
    """Begin a session, and return its token and how many seconds that is valid."""
    session_id = new_id()
    now = await clock(connection)
    lifetime = parts.settings.session_lifetime
    await sessions.begin(connection, session_id, member.id, method="password", issued_at=now, expires_at=now + lifetime)
    token = issue_session(
        parts.signing,
        subject=member.id,
        realm=member.realm,
        email=member.email,
        session_id=session_id,
        now=now,
        lifetime=lifetime,
    )
    return token, int(lifetime.total_seconds())


def _refused() -> Problem:
    SIGN_INS.labels("refused").inc()
    detail = "The realm, the address or the password is wrong."
    return Problem(401, "invalid_credentials", detail, headers={"WWW-Authenticate": "Bearer"})


@router.delete("/v1/sessions/current", summary="Sign out: the token counts nowhere any more", status_code=204)
async def sign_out(caller: SignedIn, parts: Annotated[Parts, Depends(parts_of)]) -> Response:
    async with transaction(parts.pool) as connection:
        ended = await sessions.end(connection, caller.session_id)
        if ended is None:
            raise InvalidToken("session_ended")
        draft = revoked(caller.member, session_id=caller.session_id, before=ended, reason="signed_out")
        await append(connection, SERVICE, [draft], now=ended)
    return Response(status_code=204)


def revoked(member: Member, *, session_id: str, before: datetime, reason: str) -> Draft:
    """Draft the event that tells the other services of a session that its holder ended."""
    data = SessionRevoked(
        realm=member.realm,
        member=member.person,
        by=member.person,
        session_id=session_id,
        before=before,
        reason=reason,
    )
    return Draft(data, tenant=member.realm, subject=member.id, actor=Actor(member.id, member.acts_as))


@router.get("/.well-known/jwks.json", summary="The keys that sign sessions' tokens (RFC 7517)")
async def session_keys(parts: Annotated[Parts, Depends(parts_of)]) -> Response:
    return answer(public_jwks([parts.signing]), headers={"Cache-Control": "public, max-age=300"})
