"""Signing in and out, and the keys by which the other services know a session's token."""

from datetime import datetime
from typing import Final

from fastapi import Response
from prometheus_client import Counter
from pydantic import BaseModel

from services.approval import lockout, one_time_passwords
from services.approval.beginning import begin_session
from services.approval.callers import SignedIn
from services.approval.domain.people import Member
from services.approval.lockout import LOCKED_OUT
from services.approval.one_time_passwords import Code
from services.approval.parts import Parts, Standing
from services.approval.reauthentication import Address
from services.approval.recording import record
from services.approval.store import factors, members, sessions
from shared.database.pool import ACQUIRE_SECONDS, Connection, clock, transaction
from shared.events.envelope import Actor
from shared.events.members import SessionRevoked
from shared.observability.metrics import REGISTRY
from shared.security.keys import public_jwks
from shared.security.passwords import hash_password, needs_rehash, verify_password
from shared.security.tokens import InvalidToken
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Email, GivenPassword, Realm
from shared.web.problems import Problem, refuses

router = Router(tags=["sessions"])

PASSWORD: Final = "password"  # noqa: S105 - The name of a method.
PASSWORD_AND_CODE: Final = "password+totp"  # noqa: S105 - As above.
SIGN_INS = Counter("lockbox_sign_ins", "Sign-ins with a password.", ["outcome"], registry=REGISTRY)
# A token is for its holder alone: no cache keeps it (RFC 6749, 5.1).
_NOT_KEPT = {"Cache-Control": "no-store"}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class SignIn(Body):
    """`realm` is `provider` or a tenant; `code` is asked of those who have registered one-time passwords."""

    realm: Realm
    email: Email
    password: GivenPassword
    code: Code | None = None


class SessionAnswer(BaseModel):
    access_token: str
    expires_in: int
    realm: str
    roles: list[str]


@router.post(
    "/v1/sessions",
    summary="Sign in: one token for all services",
    response_model=SessionAnswer,
    responses=LOCKED_OUT
    | refuses(
        {
            401: "`invalid_credentials`: realm, address, password or code is wrong; "
            "`code_required`: the password is right, and a one-time password is needed too"
        }
    ),
)
async def sign_in(body: SignIn, parts: Standing, address: Address) -> Response:
    attempt = await lockout.begin(parts, realm=body.realm, email=body.email, address=address)
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
        method = await _judge_code(connection, parts, member, body.code)
        if method is None:
            # Committed: a password that was right is no failed guess.
            await lockout.given_back(connection, attempt)
        else:
            await lockout.succeeded(connection, attempt)
            token, expires_in = await begin_session(
                connection, parts, member, method=method, now=await clock(connection)
            )
    if method is None:
        raise Problem(401, "code_required", "Send the six digits that your app shows, too.", headers=_CHALLENGE)
    SIGN_INS.labels("done").inc()
    content = {
        "access_token": token,
        "expires_in": expires_in,
        "realm": member.realm,
        "roles": sorted(member.roles),
    }
    return answer(content, headers=_NOT_KEPT)


async def _judge_code(connection: Connection, parts: Parts, member: Member, code: str | None) -> str | None:
    """Return the method of a sign-in whose password was right; None where a code is still to be given. Raises Problem."""
    if await factors.hold_totp(connection, member.id) is None:
        return PASSWORD
    if code is None:
        return None
    if not await one_time_passwords.use(connection, parts.settings, member.id, code, await clock(connection)):
        raise _refused()
    return PASSWORD_AND_CODE


def _refused() -> Problem:
    SIGN_INS.labels("refused").inc()
    return Problem(
        401, lockout.INVALID, "The realm, the address, the password or the code is wrong.", headers=_CHALLENGE
    )


@router.delete("/v1/sessions/current", summary="Sign out: the token counts nowhere any more", status_code=204)
async def sign_out(caller: SignedIn, parts: Standing) -> Response:
    if not await end_session(parts, caller.member, caller.session_id, reason="signed_out"):
        raise InvalidToken("session_ended")
    return Response(status_code=204)


async def end_session(parts: Parts, member: Member, session_id: str, *, reason: str) -> bool:
    """End a session of the member's and tell the other services; False where he has none such any more."""
    async with transaction(parts.pool) as connection:
        ended = await sessions.end(connection, session_id, of_member=member.id)
        if ended is None:
            return False
        fact = revoked(member, session_id=session_id, before=ended, reason=reason)
        await record(connection, [fact], actor=Actor(member.id, member.acts_as), now=ended)
    return True


def revoked(member: Member, *, session_id: str, before: datetime, reason: str) -> SessionRevoked:
    """Say that a session was ended by its holder."""
    return SessionRevoked(
        realm=member.realm,
        member=member.person,
        by=member.person,
        session_id=session_id,
        before=before,
        reason=reason,
    )


@router.get("/.well-known/jwks.json", summary="The keys that sign sessions' tokens (RFC 7517)")
async def session_keys(parts: Standing) -> Response:
    return answer(public_jwks([parts.signing]), headers={"Cache-Control": "public, max-age=300"})
