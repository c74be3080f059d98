"""Ways in without an old password: a one-time link that was mailed, or a recovery code that its holder kept on paper.

Both set a password under the member's row lock, where the link or code is looked at again: of two who come with the same one
at once, the second finds it used.
"""

from dataclasses import dataclass
from typing import Final

from services.approval import lockout
from services.approval.callers import Caller
from services.approval.domain.people import Member
from services.approval.domain.refusals import Forbidden, Invalid
from services.approval.one_time import code_digest, link_digest, new_codes
from services.approval.parts import Parts
from services.approval.passwords import check_new_password
from services.approval.reauthentication import show_again
from services.approval.recording import record
from services.approval.store import factors, links, members, sessions
from shared.database.pool import ACQUIRE_SECONDS, Connection, clock, transaction
from shared.events.envelope import Actor
from shared.events.members import FactorRemoved, PasswordReset, RecoveryCodesMade, SessionRevoked, SetUpCompleted
from shared.events.values import Data
from shared.security.passwords import hash_password
from shared.web.problems import Problem

# What SignInFailed says of a wrong recovery code.
WRONG_CODE: Final = "wrong_recovery_code"


@dataclass(frozen=True, slots=True)
class SetUp:
    """Who has set a password. `codes` are his recovery codes, shown this once: a global_admin has some, nobody else."""

    member: Member
    codes: list[str] | None


async def set_up(parts: Parts, token: str, password: str) -> SetUp:
    """Set the password of whoever has the link. Raises Refused."""
    digest = link_digest(token)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        link = await links.good(connection, digest)
    if link is None:
        raise _no_link()
    member = link.member
    check_new_password(password, email=member.email, name=member.name, realm=member.realm)
    hashed = await hash_password(password)
    async with transaction(parts.pool) as connection:
        await members.hold_password(connection, member.id, alone=True)
        link = await links.good(connection, digest)
        if link is None:
            raise _no_link()
        now = await clock(connection)
        await links.end(connection, member.id, now)
        await members.set_password(connection, member.id, hashed)
        # He has shown who he is: what he or others guessed before keeps him waiting no longer.
        await lockout.forgiven(connection, realm=member.realm, email=member.email)
        member = link.member
        about = {"realm": member.realm, "member": member.person, "by": member.person}
        facts: list[Data] = [SetUpCompleted(**about)]
        codes = None
        if "global_admin" in member.roles:
            codes = await _new_codes(connection, parts, member)
            facts.append(RecoveryCodesMade(**about))
        await record(connection, facts, actor=Actor(member.id, member.acts_as), now=now)
    return SetUp(member, codes)


def _no_link() -> Invalid:
    """Say the same of a link that was used, overtaken or expired, and of one that never was."""
    message = "is not good any more: a link can be used once, for a limited time. Ask for a new one"
    return Invalid(("token", message), code="link_invalid")


async def recover(parts: Parts, *, realm: str, email: str, code: str, password: str, address: str) -> Member:
    """Set the password of a global_admin by one of his recovery codes; all that he signed in with before ends.

    Raises Refused, and Problem 401 and 429.
    """
    # First what can be said to anybody: it must not tell whether there is such an account.
    check_new_password(password, email=email, name="", realm=realm)
    attempt = await lockout.begin(parts, realm=realm, email=email, address=address, code=WRONG_CODE)
    digest = code_digest(parts.settings, realm=realm, email=email, code=code)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        member = await links.owner_of_code(connection, digest)
    if member is None:
        raise _wrong_code()
    try:
        check_new_password(password, email=email, name=member.name, realm=realm)
    except Invalid:
        async with transaction(parts.pool) as connection:
            await lockout.given_back(connection, attempt)
        raise
    hashed = await hash_password(password)
    async with transaction(parts.pool) as connection:
        await members.hold_password(connection, member.id, alone=True)
        now = await clock(connection)
        if not await links.use_code(connection, digest):
            raise _wrong_code()
        await members.set_password(connection, member.id, hashed)
        await links.end(connection, member.id, now)
        about = {"realm": realm, "member": member.person, "by": member.person}
        gone = await factors.remove_all(connection, member.id)
        ended = await sessions.end_all(connection, member.id, now)
        facts: list[Data] = [
            PasswordReset(**about, reason="recovery"),
            *(FactorRemoved(**about, factor_id=factor.id, kind=factor.kind) for factor in gone),
            *(SessionRevoked(**about, session_id=one, before=now, reason="recovery") for one in ended),
        ]
        await lockout.succeeded(connection, attempt)
        await record(connection, facts, actor=Actor(member.id, member.acts_as), now=now)
    return member


def _wrong_code() -> Problem:
    detail = "The realm, the address or the code is wrong, or the code was used."
    return Problem(401, lockout.INVALID, detail, headers={"WWW-Authenticate": "Bearer"})


async def renew_codes(parts: Parts, caller: Caller, password: str | None, *, address: str) -> list[str]:
    """Make new recovery codes for a global_admin who shows his password; the old ones end. Raises Refused and Problem."""
    shown = await show_again(parts, caller, password, address=address)
    async with transaction(parts.pool) as connection:
        known = await shown.hold(connection)
        if "global_admin" not in known.member.roles:
            raise Forbidden("Recovery codes are for a tenant's global_admins: others are let in again by one of them.")
        member = known.member
        codes = await _new_codes(connection, parts, member)
        made = RecoveryCodesMade(realm=member.realm, member=member.person, by=member.person)
        actor = Actor(member.id, member.acts_as)
        await record(connection, [made], actor=actor, now=await clock(connection))
    return codes


async def _new_codes(connection: Connection, parts: Parts, member: Member) -> list[str]:
    codes = new_codes()
    digests = [code_digest(parts.settings, realm=member.realm, email=member.email, code=code) for code in codes]
    await links.put_codes(connection, member.id, digests)
    return codes
