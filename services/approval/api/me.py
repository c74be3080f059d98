"""Whoever is signed in, himself: what is known of him, and his password."""

from typing import Annotated

from fastapi import Depends, Response
from pydantic import BaseModel

from services.approval.api.sessions import revoked
from services.approval.callers import SignedIn
from services.approval.domain.people import Member
from services.approval.parts import SERVICE, Parts, parts_of
from services.approval.store import members, sessions
from shared.database.outbox import append
from shared.database.pool import ACQUIRE_SECONDS, clock, transaction
from shared.security.passwords import hash_password, verify_password
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, GivenPassword, NewPassword
from shared.web.problems import Problem, invalid, refuses

router = Router(tags=["me"])


class Me(BaseModel):
    """`roles` are those of this moment."""

    id: str
    realm: str
    email: str
    name: str
    roles: list[str]
    employer: str | None
    job_title: str | None
    country: str | None


class PasswordChange(Body):
    current: GivenPassword
    new: NewPassword


def _me(member: Member) -> Response:
    facts = Me(
        id=member.id,
        realm=member.realm,
        email=member.email,
        name=member.name,
        roles=sorted(member.roles),
        employer=member.employer,
        job_title=member.job_title,
        country=member.country,
    )
    return answer(facts)


@router.get("/v1/me", summary="Who is signed in", response_model=Me)
async def show_me(caller: SignedIn) -> Response:
    return _me(caller.member)


@router.post(
    "/v1/me/password",
    summary="Change one's own password; all other sessions end",
    response_model=Me,
    responses=refuses({422: "`wrong_password`; `invalid_request`: `errors` names the fields"}),
)
async def change_password(
    body: PasswordChange, caller: SignedIn, parts: Annotated[Parts, Depends(parts_of)]
) -> Response:
    member = caller.member
    given, new = body.current.get_secret_value(), body.new.get_secret_value()
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        stored = await members.hold_password(connection, member.id, alone=False)
    if not await verify_password(stored, given):
        raise _wrong()
    if new == given:
        raise invalid(("new", "must be another one than before"))
    hashed = await hash_password(new)
    async with transaction(parts.pool) as connection:
        if await members.hold_password(connection, member.id, alone=True) != stored:
            raise _wrong()
        now = await clock(connection)
        await members.set_password(connection, member.id, hashed)
        ended = await sessions.end_others(connection, member.id, caller.session_id, now)
        drafts = [revoked(member, session_id=one, before=now, reason="password_changed") for one in ended]
        await append(connection, SERVICE, drafts, now=now)
    return _me(member)


def _wrong() -> Problem:
    return invalid(("current", "is not your password"), code="wrong_password")
