"""Members and their roles: who belongs to the visitor's own realm, and what he may do about it."""

from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query, Response

from services.approval.domain.membership import MANY, admin_role, known_roles
from services.approval.domain.people import DECIDING_ROLES, PRIVILEGED_ROLES
from services.approval.portal.page import Page, Posted, SignedInPage, go, render
from services.approval.portal.paths import segment
from services.approval.portal.routing import PageRouter
from services.approval.words import N_
from shared.web.problems import Problem, not_found

router = PageRouter()

# As the page lists them: who may most comes first.
_ROLES: Final = {
    True: ("operator", "manager", "engineer", "auditor"),
    False: ("global_admin", "lockbox_approver", "user_admin", "auditor"),
}
_FACTS: Final = ("employer", "job_title", "country")
_ROLE_ACTS: Final = frozenset({"give", "take"})
_ACTS: Final = frozenset({"reset", "factors", "remove"})
_MOST_AT_ONCE: Final = 100
# More names than these help nobody.
_NAMED: Final = 20
_DONE: Final = {
    "added": N_("The member was added. A one-time link to set a password is on its way by e-mail."),
    "given": N_("The role was given."),
    "taken": N_("The role was taken."),
    "reset": N_("The old password no longer counts. A one-time link to set a new one is on its way by e-mail."),
    "factors": N_("The second factors were removed."),
    "removed": N_("The member was removed."),
}
_NOT_A_COUNTRY: Final = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})


@dataclass(frozen=True, slots=True)
class Rights:
    """What the visitor may do; the API judges again whatever he tries."""

    manage: bool
    assign: bool
    privileged: bool

    def manages(self, member: dict[str, Any]) -> bool:
        return self.manage and (self.privileged or PRIVILEGED_ROLES.isdisjoint(member["roles"]))


def rights_of(page: Page) -> Rights:
    """Say what the visitor may do with his realm's people."""
    admin = page.has(admin_role(page.realm))
    return Rights(manage=admin or (not page.provider and page.has("user_admin")), assign=admin, privileged=admin)


def members_path(page: Page, email: str | None = None, *rest: str) -> str:
    """Give the API's path of the realm's members, or of what belongs to one."""
    return "/".join((f"/v1/tenants/{page.realm}/members", *(segment(one) for one in (email, *rest) if one is not None)))


def address_of(email: str) -> str:
    """Give the path of a member's page."""
    return f"/members/{segment(email)}"


@router.get("/members")
async def members(
    page: SignedInPage,
    q: Annotated[str, Query()] = "",
    role: Annotated[str, Query()] = "",
    cursor: Annotated[str, Query()] = "",
    done: Annotated[str, Query()] = "",
) -> Response:
    found = await page.api.get(members_path(page), q=q.strip(), role=role, cursor=cursor)
    following = found.get("next_cursor")
    return render(
        page,
        "members.html",
        address_of=address_of,
        members=found["items"],
        next_page=f"/members?{urlencode({'q': q, 'role': role, 'cursor': following})}" if following else None,
        q=q,
        chosen=role,
        roles=_ROLES[page.provider],
        deciders=None if page.provider else await _deciders(page),
        many=MANY,
        named=_NAMED,
        rights=rights_of(page),
        notice=page.words.gettext(_DONE[done]) if done in _DONE else None,
    )


async def _deciders(page: Page) -> list[dict[str, Any]]:
    """Give who may decide on the tenant's requests, by name."""
    found: dict[str, dict[str, Any]] = {}
    for role in sorted(DECIDING_ROLES):
        cursor: str | None = ""
        while cursor is not None:
            some = await page.api.get(members_path(page), role=role, cursor=cursor, limit=_MOST_AT_ONCE)
            found |= {one["email"]: one for one in some["items"]}
            cursor = some["next_cursor"]
    return sorted(found.values(), key=lambda one: (str(one["name"]).casefold(), one["email"]))


@router.get("/members/add")
async def add_form(page: SignedInPage) -> Response:
    return _add_form(page)


def _add_form(page: Page, problem: Problem | None = None) -> Response:
    rights = rights_of(page)
    territories = page.words.locale.territories
    countries = [
        (code, name)
        for code, name in territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NOT_A_COUNTRY  # noqa: PLR2004 - ISO 3166-1 alpha-2.
    ]
    return render(
        page,
        "members_add.html",
        problem=problem,
        status=200 if rights.manage else 403,
        rights=rights,
        roles=_ROLES[page.provider],
        privileged=PRIVILEGED_ROLES,
        countries=sorted(countries, key=lambda one: one[1]),
    )


@router.post("/members/add")
async def add(page: SignedInPage, form: Posted) -> Response:
    body: dict[str, Any] = {"email": form.text("email") or "", "name": form.text("name") or ""}
    body |= {name: value for name in _FACTS if (value := form.text(name)) is not None}
    if roles := form.all("roles"):
        body["roles"] = roles
    try:
        answer = await page.api.post(members_path(page), body, key=form.key)
    except Problem as problem:
        return _add_form(page, problem)
    return _after(answer.content, address_of(str(body["email"]).lower()), "added")


@router.get("/members/{email}")
async def member(page: SignedInPage, email: str, done: Annotated[str, Query()] = "") -> Response:
    found = await page.api.get(members_path(page, email))
    return render(
        page,
        "member.html",
        address=address_of(found["email"]),
        member=found,
        roles=_ROLES[page.provider],
        rights=rights_of(page),
        himself=found["email"] == page.known["email"],
        notice=page.words.gettext(_DONE[done]) if done in _DONE else None,
    )


@router.get("/members/{email}/roles/{role}/{act}")
async def role_form(page: SignedInPage, email: str, role: str, act: str) -> Response:
    return await _act_form(page, email, act if act in _ROLE_ACTS else None, role)


@router.post("/members/{email}/roles/{role}/{act}")
async def change_role(
    page: SignedInPage,
    form: Posted,  # noqa: ARG001 - It is checked, and says nothing.
    email: str,
    role: str,
    act: str,
) -> Response:
    if act not in _ROLE_ACTS:
        raise not_found()
    path = members_path(page, email, "roles", role)
    try:
        answer = await page.api.put(path) if act == "give" else await page.api.delete(path)
    except Problem as problem:
        return await _act_form(page, email, act, role, problem)
    return _after(answer.content, address_of(email), "given" if act == "give" else "taken")


@router.get("/members/{email}/{act}")
async def act_form(page: SignedInPage, email: str, act: str) -> Response:
    return await _act_form(page, email, act if act in _ACTS else None)


@router.post("/members/{email}/{act}")
async def do_act(page: SignedInPage, form: Posted, email: str, act: str) -> Response:
    if act not in _ACTS:
        raise not_found()
    try:
        if act == "reset":
            answer = await page.api.post(members_path(page, email, "password-reset"), key=form.key)
        elif act == "factors":
            answer = await page.api.delete(members_path(page, email, "factors"))
        else:
            answer = await page.api.delete(members_path(page, email))
    except Problem as problem:
        return await _act_form(page, email, act, problem=problem)
    if act == "remove":
        return _after(answer.content, "/members", "removed")
    return _after(answer.content, address_of(email), act)


async def _act_form(
    page: Page, email: str, act: str | None, role: str | None = None, problem: Problem | None = None
) -> Response:
    """Say what will happen, and to whom, before it does."""
    if act is None or (role is not None and role not in known_roles(page.realm)):
        raise not_found()
    found = await page.api.get(members_path(page, email))
    held = frozenset(found["roles"])
    return render(
        page,
        "member_act.html",
        address=address_of(found["email"]),
        problem=problem,
        member=found,
        act=act,
        role=role,
        himself=found["email"] == page.known["email"],
        begins_anew=role in PRIVILEGED_ROLES and held.isdisjoint(PRIVILEGED_ROLES),
        privileged=not held.isdisjoint(PRIVILEGED_ROLES) or role in PRIVILEGED_ROLES,
        decides=not held.isdisjoint(DECIDING_ROLES),
        roles=_ROLES[page.provider],
    )


def _after(content: Any, path: str, done: str) -> Response:
    """Go on to what was done; what waits for votes leads to its change."""
    if isinstance(content, dict) and "votes" in content:
        return go(f"/changes/{content['id']}", done="proposed")
    return go(path, done=done)
