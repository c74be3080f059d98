"""People of a realm and their roles: a tenant's own people manage them, and the provider's its operators."""

from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from services.approval.actions.members import (
    AddMember,
    AssignRole,
    RemoveFactors,
    RemoveMember,
    RemoveRole,
    ResetPassword,
)
from services.approval.administering import administer
from services.approval.callers import Caller, Claimed, SignedIn
from services.approval.domain import membership
from services.approval.parts import Standing
from services.approval.store import deciders, members
from services.approval.words import wanted
from shared.database.pool import ACQUIRE_SECONDS
from shared.events.envelope import PROVIDER, new_id
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Email, Name, Realm
from shared.web.idempotency import DOCUMENTED
from shared.web.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, page
from shared.web.problems import forbidden, not_found, refuses

router = Router(tags=["members"])

_MOST_ROLES: Final = 10
_FORBIDDEN: Final = {403: "`forbidden`: who may is said; `roles_stale`"}
_CHANGED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "It weakens protection and waits for votes: the change"}
}
_LAST: Final = "`last_global_admin`, `last_operator`, `too_few_approvers`"


def _country(text: str) -> str:
    if len(text) != 2 or not (text.isascii() and text.isalpha()):  # noqa: PLR2004 - ISO 3166-1.
        raise ValueError("must be a country's two letters, like IE (ISO 3166-1)")
    return text.upper()


Country = Annotated[str, AfterValidator(_country), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{2}$"})]
RoleName = Annotated[str, Field(min_length=1, max_length=64)]


class NewMember(Body):
    """Whoever is added gets a one-time link by mail. Giving roles takes who may assign them."""

    email: Email
    name: Name
    roles: Annotated[list[RoleName], Field(max_length=_MOST_ROLES)] = []
    employer: Name | None = None
    job_title: Name | None = None
    country: Country | None = None


class MemberInList(BaseModel):
    """`group_roles` are those of `roles` that an issuer's groups give; `factors` are the kinds of second factors.

    Without a password somebody has not followed his link yet, or signs in through an issuer alone.
    """

    id: str
    email: str
    name: str
    roles: list[str]
    group_roles: list[str]
    employer: str | None
    job_title: str | None
    country: str | None
    has_password: bool
    factors: list[str]


class MemberView(MemberInList):
    """`warnings` say what is allowed and not wise."""

    warnings: list[str]


class MemberPage(Page[MemberInList]):
    warnings: list[str]


class Sent(BaseModel):
    sent_to: str


async def _language(request: Request) -> str:
    return wanted(request.headers.get("accept-language", ""))


Language = Annotated[str, Depends(_language)]
"""The language of who asks is the best guess for the one who gets the mail."""


def see_people(caller: Caller, realm: str) -> None:
    """Refuse everybody but a realm's own people who have a role in it."""
    if caller.member.realm != realm:
        raise not_found()
    if not caller.member.known_roles:
        raise forbidden("The list of members is read by members with a role.")


@router.get(
    "/v1/tenants/{realm}/members",
    summary="The members of a realm, by address",
    response_model=MemberPage,
    responses=refuses(_FORBIDDEN),
)
async def list_members(
    realm: Realm,
    caller: SignedIn,
    parts: Standing,
    q: Annotated[str | None, Query(max_length=200, description="Text in the name or address.")] = None,
    role: Annotated[str | None, Query(max_length=64, description="Only who has this role.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    see_people(caller, realm)
    after = None if cursor is None else decode_cursor(cursor, str)[0]
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await members.listed(connection, realm, text=q, role=role, after=after, limit=limit + 1)
        count = 0 if realm == PROVIDER else await deciders.count(connection, realm)
    following = encode_cursor(found[limit - 1]["email"]) if len(found) > limit else None
    return answer(page(found[:limit], following) | {"warnings": membership.warnings(count)})


@router.post(
    "/v1/tenants/{realm}/members",
    summary="Add a member, who gets a one-time link by mail",
    status_code=201,
    response_model=MemberView,
    responses=refuses(_FORBIDDEN | {409: "`member_exists`, `already_made`", 422: "`unknown_role`; `invalid_request`"})
    | _CHANGED,
    openapi_extra=DOCUMENTED,
)
async def add_member(
    realm: Realm, body: NewMember, caller: SignedIn, parts: Standing, claim: Claimed, language: Language
) -> Response:
    action = AddMember(
        id=new_id(),
        email=body.email,
        name=body.name,
        roles=tuple(body.roles),
        employer=body.employer,
        job_title=body.job_title,
        country=body.country,
        language=language,
    )
    return await administer(parts, caller, realm, action, claim)


@router.get(
    "/v1/tenants/{realm}/members/{email}",
    summary="One member",
    response_model=MemberView,
    responses=refuses(_FORBIDDEN),
)
async def show_member(realm: Realm, email: Email, caller: SignedIn, parts: Standing) -> Response:
    see_people(caller, realm)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await members.view(connection, realm, email)
        count = 0 if realm == PROVIDER else await deciders.count(connection, realm)
    if found is None:
        raise not_found()
    return answer(found | {"warnings": membership.warnings(count)})


@router.delete(
    "/v1/tenants/{realm}/members/{email}",
    summary="Remove a member: his sessions, roles and grants end at once",
    status_code=204,
    responses=refuses(_FORBIDDEN | {409: _LAST}),
)
async def remove_member(realm: Realm, email: Email, caller: SignedIn, parts: Standing) -> Response:
    return await administer(parts, caller, realm, RemoveMember(email=email))


@router.put(
    "/v1/tenants/{realm}/members/{email}/roles/{role}",
    summary="Give a member a role; a privileged one has him set up anew",
    response_model=MemberView,
    responses=refuses(_FORBIDDEN | {422: "`unknown_role`"}) | _CHANGED,
)
async def assign_role(
    realm: Realm, email: Email, role: str, caller: SignedIn, parts: Standing, language: Language
) -> Response:
    return await administer(parts, caller, realm, AssignRole(email=email, role=role, language=language))


@router.delete(
    "/v1/tenants/{realm}/members/{email}/roles/{role}",
    summary="Take a role from a member",
    status_code=204,
    responses=refuses(_FORBIDDEN | {409: f"{_LAST}; `role_of_issuer`: a group gives it", 422: "`unknown_role`"}),
)
async def remove_role(realm: Realm, email: Email, role: str, caller: SignedIn, parts: Standing) -> Response:
    return await administer(parts, caller, realm, RemoveRole(email=email, role=role))


@router.post(
    "/v1/tenants/{realm}/members/{email}/password-reset",
    summary="End a member's password and sessions, and mail him a one-time link",
    status_code=202,
    response_model=Sent,
    responses=refuses(_FORBIDDEN | {409: "`last_global_admin`, `already_made`"}),
    openapi_extra=DOCUMENTED,
)
async def reset_password(
    realm: Realm, email: Email, caller: SignedIn, parts: Standing, claim: Claimed, language: Language
) -> Response:
    return await administer(parts, caller, realm, ResetPassword(email=email, language=language), claim)


@router.delete(
    "/v1/tenants/{realm}/members/{email}/factors",
    summary="Remove all second factors of a member",
    status_code=204,
    responses=refuses(_FORBIDDEN) | _CHANGED,
)
async def remove_factors(realm: Realm, email: Email, caller: SignedIn, parts: Standing) -> Response:
    return await administer(parts, caller, realm, RemoveFactors(email=email))
