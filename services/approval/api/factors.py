"""Second factors of whoever is signed in: adding and removing them."""

import os
from datetime import timedelta
from typing import Any, Final

from asyncpg.exceptions import UniqueViolationError
from fastapi import Request, Response
from pydantic import BaseModel
from webauthn.helpers import bytes_to_base64url

from services.approval import one_time_passwords, passkeys
from services.approval.api.me import FactorView, view_of
from services.approval.callers import Caller, SignedIn, as_known_now
from services.approval.deciding import problem_for
from services.approval.domain.refusals import Refused
from services.approval.one_time_passwords import Code
from services.approval.parts import Parts, Standing
from services.approval.passkeys import GivenCredential, Site
from services.approval.reauthentication import REAUTHENTICATION, Address, show_again
from services.approval.recording import record
from services.approval.store import factors, members
from services.approval.store.factors import Passkey
from shared.database.pool import Connection, clock, transaction
from shared.events.envelope import Actor, new_id
from shared.events.members import FactorAdded, FactorRemoved
from shared.web.answers import answer, to_json
from shared.web.bodies import Router
from shared.web.fields import Body, EventId, GivenPassword, Name
from shared.web.idempotency import DOCUMENTED, IdempotencyKey, claim_of, claim_one, store_one, was_made
from shared.web.problems import Problem, invalid, not_found, refuses

router = Router(tags=["factors"])

MOST_PASSKEYS: Final = 20
REGISTRATION_OPEN: Final = timedelta(minutes=5)
_CHALLENGE_BYTES: Final = 32
_NOT_KEPT: Final = {"Cache-Control": "no-store"}
_NAMELESS: Final = refuses({409: "`passkeys_need_a_name`: the portal has an IP address alone; `too_many_factors`"})


class PasswordAgain(Body):
    """Only who signs in by an issuer, and just did, may leave the password out."""

    password: GivenPassword | None = None

    @property
    def given(self) -> str | None:
        return None if self.password is None else self.password.get_secret_value()


class Confirmation(Body):
    code: Code


class PasskeyGiven(Body):
    """`credential` is what navigator.credentials.create gave, as JSON."""

    name: Name
    credential: GivenCredential


class BegunTotp(BaseModel):
    """`uri` is what a QR code for an app holds."""

    factor_id: str
    secret: str
    uri: str


class CreationOptions(BaseModel):
    """What navigator.credentials.create takes, as JSON (PublicKeyCredential.parseCreationOptionsFromJSON)."""

    publicKey: dict[str, Any]  # noqa: N815 - WebAuthn's own name.


class FactorList(BaseModel):
    items: list[FactorView]


# One-time passwords.


@router.post(
    "/v1/me/factors/totp",
    summary="Begin to use one-time passwords: the secret for an app",
    description="It counts once a first code has confirmed it.",
    response_model=BegunTotp,
    responses=REAUTHENTICATION | refuses({409: "`factor_exists`: remove the one that there is first"}),
)
async def begin_totp(body: PasswordAgain, caller: SignedIn, parts: Standing, address: Address) -> Response:
    shown = await show_again(parts, caller, body.given, address=address)
    factor_id, secret = new_id(), one_time_passwords.new_secret()
    member = caller.member
    async with transaction(parts.pool) as connection:
        await shown.hold(connection)
        await _see_that_there_is_none(connection, member.id)
        sealed = one_time_passwords.sealed(parts.settings, factor_id, secret)
        await factors.begin_totp(connection, factor_id, member.id, secret=sealed, now=await clock(connection))
    uri = one_time_passwords.address_of(secret, email=member.email, realm=member.realm)
    return answer(BegunTotp(factor_id=factor_id, secret=secret, uri=uri), headers=_NOT_KEPT)


@router.post(
    "/v1/me/factors/totp/{factor_id}/confirm",
    summary="Confirm one-time passwords by a first code: from now on each sign-in needs one",
    response_model=FactorView,
    responses=refuses({409: "`factor_exists`", 422: "`wrong_code`; `invalid_request`: `errors` names the fields"}),
)
async def confirm_totp(factor_id: EventId, body: Confirmation, caller: SignedIn, parts: Standing) -> Response:
    async with transaction(parts.pool) as connection:
        await _hold(connection, caller)
        begun = await factors.begun_totp(connection, caller.member.id, factor_id)
        if begun is None:
            raise not_found()
        await _see_that_there_is_none(connection, caller.member.id)
        now = await clock(connection)
        secret = one_time_passwords.opened(parts.settings, begun.id, begun.secret)
        step = one_time_passwords.step_of(secret, body.code, now, last_step=begun.last_step)
        if step is None:
            message = "is not what this secret gives now: check the clock of your device, then send the next one"
            raise invalid(("code", message), code="wrong_code")
        factor = await factors.confirm_totp(connection, begun.id, step=step, now=now)
        member = caller.member
        fact = FactorAdded(
            realm=member.realm, member=member.person, by=member.person, factor_id=factor.id, kind=factor.kind
        )
        await record(connection, [fact], actor=Actor(member.id, member.acts_as), now=now)
    return answer(view_of(factor))


async def _see_that_there_is_none(connection: Connection, member_id: str) -> None:
    if await factors.hold_totp(connection, member_id) is not None:
        raise Problem(409, "factor_exists", "You have one-time passwords already: remove them first.")


# Passkeys.


@router.post(
    "/v1/me/factors/passkey/options",
    summary="Begin to register a passkey: what the browser is asked for",
    response_model=CreationOptions,
    responses=REAUTHENTICATION | _NAMELESS,
)
async def passkey_options(body: PasswordAgain, caller: SignedIn, parts: Standing, address: Address) -> Response:
    site = site_or_refusal(parts)
    shown = await show_again(parts, caller, body.given, address=address)
    challenge = os.urandom(_CHALLENGE_BYTES)
    async with transaction(parts.pool) as connection:
        await shown.hold(connection)
        known = await factors.passkeys(connection, caller.member.id)
        if len(known) >= MOST_PASSKEYS:
            raise Problem(409, "too_many_factors", f"You have {MOST_PASSKEYS} passkeys: remove one first.")
        expires_at = await clock(connection) + REGISTRATION_OPEN
        await factors.begin_registration(connection, caller.member.id, challenge, expires_at)
    options = passkeys.creation_options(
        site, caller.member, challenge=challenge, known=[one.credential_id for one in known]
    )
    return answer(CreationOptions(publicKey=options), headers=_NOT_KEPT)


@router.post(
    "/v1/me/factors/passkey",
    summary="Register a passkey with what the browser gave",
    response_model=FactorView,
    status_code=201,
    responses=_NAMELESS
    | refuses({422: "`wrong_credential`, `registration_expired`; `invalid_request`: `errors` names the fields"}),
    openapi_extra=dict(DOCUMENTED),
)
async def add_passkey(
    request: Request, body: PasskeyGiven, caller: SignedIn, key: IdempotencyKey, parts: Standing
) -> Response:
    site = site_or_refusal(parts)
    member = caller.member
    claim = await claim_of(request, key, caller=caller.name, digest=parts.digest)
    if claim is not None:
        async with transaction(parts.pool) as connection:
            made = await claim_one(connection, claim) if await was_made(connection, claim) else None
        if made is not None:
            return made.response()
    # In a transaction of its own: the challenge counts once, whatever comes of it.
    async with transaction(parts.pool) as connection:
        challenge = await factors.take_registration(connection, member.id, await clock(connection))
    if challenge is None:
        message = "comes too late, or was sent before: begin again with new options"
        raise invalid(("credential", message), code="registration_expired")
    try:
        found = passkeys.registered(site, body.credential, challenge=challenge)
    except Refused as refusal:
        raise problem_for(refusal) from None
    passkey = Passkey(
        id=new_id(),
        credential_id=found.credential_id,
        public_key=found.public_key,
        rp_id=site.rp_id,
        origin=site.origin,
        sign_count=found.sign_count,
    )
    async with transaction(parts.pool) as connection:
        made = await claim_one(connection, claim)
        if made is not None:
            return made.response()
        await _hold(connection, caller)
        if len(await factors.passkeys(connection, member.id)) >= MOST_PASSKEYS:
            raise Problem(409, "too_many_factors", f"You have {MOST_PASSKEYS} passkeys: remove one first.")
        now = await clock(connection)
        try:
            factor = await factors.add_passkey(connection, passkey, member.id, name=body.name, now=now)
        except UniqueViolationError:
            raise problem_for(passkeys.wrong_credential()) from None
        fact = FactorAdded(
            realm=member.realm,
            member=member.person,
            by=member.person,
            factor_id=factor.id,
            kind=factor.kind,
            name=factor.name,
            public_key=bytes_to_base64url(passkey.public_key),
            credential_id=bytes_to_base64url(passkey.credential_id),
            rp_id=passkey.rp_id,
            origin=passkey.origin,
        )
        body_of_answer = to_json(view_of(factor))
        await store_one(connection, claim, 201, body_of_answer)
        await record(connection, [fact], actor=Actor(member.id, member.acts_as), now=now)
    return answer(body_of_answer, 201)


def site_or_refusal(parts: Parts) -> Site:
    """Give the site to which passkeys are bound. Raises Problem 409 `passkeys_need_a_name`."""
    try:
        return passkeys.site_of(parts.settings)
    except Refused as refusal:
        raise problem_for(refusal) from None


@router.post(
    "/v1/me/factors/{factor_id}/remove",
    summary="Remove one of one's own second factors",
    response_model=FactorList,
    responses=REAUTHENTICATION,
)
async def remove_factor(
    factor_id: EventId, body: PasswordAgain, caller: SignedIn, parts: Standing, address: Address
) -> Response:
    shown = await show_again(parts, caller, body.given, address=address)
    member = caller.member
    async with transaction(parts.pool) as connection:
        await shown.hold(connection)
        removed = await factors.remove(connection, member.id, factor_id)
        if removed is None:
            raise not_found()
        left = await factors.of(connection, member.id)
        fact = FactorRemoved(
            realm=member.realm, member=member.person, by=member.person, factor_id=removed.id, kind=removed.kind
        )
        actor = Actor(member.id, member.acts_as)
        await record(connection, [fact], actor=actor, now=await clock(connection))
    return answer(FactorList(items=[view_of(factor) for factor in left]))


async def _hold(connection: Connection, caller: Caller) -> None:
    """Hold the member's row FOR UPDATE, and see that the session has not ended meanwhile."""
    await members.hold_password(connection, caller.member.id, alone=True)
    await as_known_now(connection, caller)
