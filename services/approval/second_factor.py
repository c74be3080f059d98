"""What a decision takes beside the session: a one-time password, or a passkey's signature over the decision itself."""

from datetime import datetime
from typing import Any

from fastapi import Request

from services.approval import lockout, one_time_passwords, passkeys
from services.approval.callers import SignedIn
from services.approval.deciding import problem_for
from services.approval.domain.refusals import Forbidden, Invalid
from services.approval.one_time_passwords import is_code
from services.approval.parts import Parts, Standing
from services.approval.reauthentication import Address
from services.approval.store import factors
from shared.database.pool import ACQUIRE_SECONDS, Connection, clock, transaction
from shared.events.values import Assertion, SecondFactor
from shared.web.idempotency import IdempotencyKey, claim_of, was_made


async def shown(
    connection: Connection,
    member_id: str,
    *,
    method: str,
    code: str | None,
    assertion: Any,
    challenge: bytes,
    demand: SecondFactor,
    parts: Parts,
    now: datetime,
) -> tuple[str, Assertion | None]:
    """Judge what was shown for one decision, in its transaction; return the method and the assertion for the record.

    `method` is the session's; `challenge` is the SHA-256 of the decision's statement; `assertion` is a browser's JSON of a
    credential. What is given is verified, whether it is demanded or not. A code is used up, a passkey's count of uses kept.
    The route depends on `counts_codes`, which limits guessing. Raises Forbidden `second_factor_required`, Invalid
    `wrong_code` and `wrong_assertion`.
    """
    signed = None
    if assertion is not None:
        signed = await _signed(connection, member_id, assertion, challenge=challenge, now=now)
        method += "+passkey"
    if code is not None:
        if not is_code(code) or not await one_time_passwords.use(connection, parts.settings, member_id, code, now):
            raise _wrong_code()
        if "totp" not in method:
            method = method.replace("+passkey", "") + "+totp" + ("+passkey" if signed else "")
    if demand == "passkey" and signed is None:
        raise Forbidden("Your organisation demands a passkey's signature for a decision.", "second_factor_required")
    if demand == "any" and signed is None and "totp" not in method:
        raise Forbidden(
            "Your organisation demands a second factor for a decision: a one-time password or a passkey.",
            "second_factor_required",
        )
    return method, signed


async def _signed(connection: Connection, member_id: str, given: Any, *, challenge: bytes, now: datetime) -> Assertion:
    assertion = passkeys.read_assertion(given)
    passkey = await factors.hold_passkey(connection, member_id, passkeys.credential_id_of(assertion))
    if passkey is None:
        raise passkeys.wrong_assertion()
    sign_count = passkeys.asserted(passkey, assertion, challenge=challenge)
    if sign_count is None:
        raise passkeys.wrong_assertion()
    await factors.used_passkey(connection, passkey.id, sign_count=sign_count, now=now)
    return passkeys.for_the_record(assertion)


async def counts_codes(
    request: Request,
    caller: SignedIn,
    key: IdempotencyKey,
    parts: Standing,
    address: Address,
) -> None:
    """Dependency of routes whose body has a `code`: a wrong one counts for the lock-out. Raises Problem 422, 429.

    Before the decision and in transactions of its own, since a refused decision leaves nothing behind, and a count must stay. A
    call that was made before is not looked at: it gets its first answer.
    """
    code = await _code_in(request)
    if code is None:
        return
    claim = await claim_of(request, key, caller=caller.name, digest=parts.digest)
    if claim is not None:
        async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            if await was_made(connection, claim):
                return
    member = caller.member
    attempt = await lockout.begin(parts, realm=member.realm, email=member.email, address=address, code="wrong_code")
    async with transaction(parts.pool) as connection:
        held = await factors.hold_totp(connection, member.id)
        secret = None if held is None else one_time_passwords.opened(parts.settings, held.id, held.secret)
        now = await clock(connection)
        last_step = None if held is None else held.last_step
        if one_time_passwords.step_of(secret, code, now, last_step=last_step) is not None:
            await lockout.succeeded(connection, attempt)
            return
        if one_time_passwords.step_of(secret, code, now, last_step=None) is not None:
            # It was used: no guess, and no proof either. The decision refuses it.
            await lockout.given_back(connection, attempt)
            return
    raise problem_for(_wrong_code())


async def _code_in(request: Request) -> str | None:
    """Give the code in the body; None where there is none, or none that could be right (the route says what is wrong)."""
    if not await request.body():
        return None
    body = await request.json()
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and is_code(code) else None


def _wrong_code() -> Invalid:
    return Invalid(("code", "is wrong or was used already: send the one that your app shows next"), code="wrong_code")
