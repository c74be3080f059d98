"""Whoever is signed in, himself: what is known of him, his password, and his sessions."""

from fastapi import Response
from pydantic import BaseModel

from services.approval.api.sessions import end_session, revoked
from services.approval.callers import Caller, SignedIn
from services.approval.deciding import problem_for
from services.approval.domain.refusals import Refused
from services.approval.parts import Standing
from services.approval.passwords import check_new_password
from services.approval.reauthentication import REAUTHENTICATION, Address, show_again
from services.approval.recording import record
from services.approval.store import factors, issuers, members, sessions, tenants
from services.approval.store.factors import Factor, FactorKind
from services.approval.store.sessions import Session
from shared.database.pool import ACQUIRE_SECONDS, Connection, clock, transaction
from shared.events.envelope import Actor
from shared.events.members import PasswordChanged
from shared.events.values import Data, SecondFactor
from shared.security.passwords import hash_password
from shared.security.tokens import InvalidToken
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, EventId, GivenPassword, NewPassword, Timestamp
from shared.web.problems import invalid, not_found

router = Router(tags=["me"])


class SessionView(BaseModel):
    """`method` is how its holder signed in: `password`, `password+totp` or `oidc`."""

    id: str
    method: str
    issued_at: Timestamp
    expires_at: Timestamp


class ListedSession(SessionView):
    """`current` marks the session that asks."""

    current: bool


class SessionList(BaseModel):
    items: list[ListedSession]


class FactorView(BaseModel):
    id: str
    kind: FactorKind
    name: str | None
    added_at: Timestamp
    last_used_at: Timestamp | None


class Me(BaseModel):
    """`roles` are those of this moment; `second_factor` is what the tenant demands for a decision.

    `stale_roles` are those that the issuer of this session has to confirm again before anything is decided by them.
    """

    id: str
    realm: str
    email: str
    name: str
    roles: list[str]
    stale_roles: list[str]
    employer: str | None
    job_title: str | None
    country: str | None
    session: SessionView
    factors: list[FactorView]
    second_factor: SecondFactor


class PasswordChange(Body):
    current: GivenPassword
    new: NewPassword


def view_of(factor: Factor) -> FactorView:
    """Show a factor to its holder."""
    return FactorView(
        id=factor.id,
        kind=factor.kind,
        name=factor.name,
        added_at=factor.added_at,
        last_used_at=factor.last_used_at,
    )


def _session(session: Session) -> SessionView:
    return SessionView(id=session.id, method=session.method, issued_at=session.issued_at, expires_at=session.expires_at)


async def _me(connection: Connection, caller: Caller) -> Me:
    member = caller.member
    session = await sessions.find(connection, caller.session_id)
    if session is None:
        raise InvalidToken("session_ended")
    own = await factors.of(connection, member.id)
    tenant = await tenants.find(connection, member.realm)
    return Me(
        id=member.id,
        realm=member.realm,
        email=member.email,
        name=member.name,
        roles=sorted(member.roles),
        stale_roles=await issuers.to_say_again(connection, caller.session_id),
        employer=member.employer,
        job_title=member.job_title,
        country=member.country,
        session=_session(session),
        factors=[view_of(factor) for factor in own],
        second_factor="off" if tenant is None else tenant.settings.second_factor,
    )


@router.get("/v1/me", summary="Who is signed in", response_model=Me)
async def show_me(caller: SignedIn, parts: Standing) -> Response:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        return answer(await _me(connection, caller))


@router.post(
    "/v1/me/password",
    summary="Change one's own password; all other sessions end",
    response_model=Me,
    responses=REAUTHENTICATION,
)
async def change_password(body: PasswordChange, caller: SignedIn, parts: Standing, address: Address) -> Response:
    member = caller.member
    given, new = body.current.get_secret_value(), body.new.get_secret_value()
    if new == given:
        raise invalid(("new", "must be another one than before"))
    try:
        check_new_password(new, email=member.email, name=member.name, realm=member.realm, field="new")
    except Refused as refusal:
        raise problem_for(refusal) from None
    shown = await show_again(parts, caller, given, address=address, field="current")
    hashed = await hash_password(new)
    async with transaction(parts.pool) as connection:
        known = await shown.hold(connection)
        now = await clock(connection)
        await members.set_password(connection, member.id, hashed)
        ended = await sessions.end_all(connection, member.id, now, kept=caller.session_id)
        me = await _me(connection, known)
        facts: list[Data] = [PasswordChanged(realm=member.realm, member=member.person, by=member.person)]
        facts += [revoked(member, session_id=one, before=now, reason="password_changed") for one in ended]
        await record(connection, facts, actor=Actor(member.id, member.acts_as), now=now)
    return answer(me)


@router.get("/v1/me/sessions", summary="Where one is signed in, newest first", response_model=SessionList)
async def list_sessions(caller: SignedIn, parts: Standing) -> Response:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await sessions.of(connection, caller.member.id)
    items = [
        ListedSession(**_session(session).model_dump(), current=session.id == caller.session_id) for session in found
    ]
    return answer(SessionList(items=items))


@router.delete("/v1/me/sessions/{session_id}", summary="End one of one's own sessions, wherever it is", status_code=204)
async def end_one(session_id: EventId, caller: SignedIn, parts: Standing) -> Response:
    if not await end_session(parts, caller.member, session_id, reason="signed_out"):
        raise not_found()
    return Response(status_code=204)
