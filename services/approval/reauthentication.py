"""What only the person himself may change takes his password once more, however good his session is."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends, Request

from services.approval import lockout
from services.approval.callers import Caller, as_known_now
from services.approval.lockout import address_of
from services.approval.parts import Parts, Standing
from services.approval.store import members, sessions
from shared.database.pool import ACQUIRE_SECONDS, Connection, clock, transaction
from shared.security.passwords import verify_password
from shared.web.problems import Problem, forbidden, invalid, refuses

# Who signs in by an issuer has no password here: having just come from there counts for it.
FRESH: Final = timedelta(minutes=5)
REAUTHENTICATION: Final = lockout.LOCKED_OUT | refuses(
    {
        403: "`sign_in_again`: a session by an issuer is older than five minutes",
        422: "`wrong_password`; `invalid_request`: `errors` names the fields",
    }
)


async def caller_address(request: Request, parts: Standing) -> str:
    """Dependency: the caller's IP address."""
    return address_of(request, parts.settings)


Address = Annotated[str, Depends(caller_address)]


@dataclass(frozen=True, slots=True)
class Shown:
    """Somebody has shown who he is. It counts once `hold` has looked again, in the transaction of what it is good for."""

    caller: Caller
    stored: str | None
    field: str

    async def hold(self, connection: Connection) -> Caller:
        """Hold the member's row FOR UPDATE and return the caller as he is known now.

        Raises Problem where the password was changed meanwhile, and InvalidToken where the session has ended.
        """
        stored = await members.hold_password(connection, self.caller.member.id, alone=True)
        known = await as_known_now(connection, self.caller)
        if self.stored is not None and stored != self.stored:
            raise _wrong(self.field)
        return known


async def show_again(
    parts: Parts, caller: Caller, password: str | None, *, address: str, field: str = "password"
) -> Shown:
    """Compare the caller's password, or where he has none see that his session by an issuer is fresh.

    Wrong ones count for the lock-out. Call it with no connection in hand. Raises Problem 422, 403, 429.
    """
    member = caller.member
    if password is None:
        await _see_that_it_is_fresh(parts, caller, field)
        return Shown(caller, None, field)
    attempt = await lockout.begin(parts, realm=member.realm, email=member.email, address=address, code="wrong_password")
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        stored = await members.hold_password(connection, member.id, alone=False)
    if not await verify_password(stored, password):
        raise _wrong(field)
    async with transaction(parts.pool) as connection:
        # Now, for it was right, whatever becomes of what it was shown for.
        await lockout.succeeded(connection, attempt)
    return Shown(caller, stored, field)


async def _see_that_it_is_fresh(parts: Parts, caller: Caller, field: str) -> None:
    if not caller.method.startswith("oidc"):
        raise invalid((field, "is required: send your password"))
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        session = await sessions.find(connection, caller.session_id)
        now = await clock(connection)
    if session is None or now - session.issued_at > FRESH:
        raise forbidden(
            "Sign in by your organisation's issuer once more, then do this within minutes.", "sign_in_again"
        )


def _wrong(field: str) -> Problem:
    return invalid((field, "is not your password"), code="wrong_password")
