"""A tenant's own sign-in services (OIDC): whom they vouch for, and which roles their groups give."""

from typing import Annotated, Any, Final

from fastapi import Query, Response

from services.approval.portal.forms import Form
from services.approval.portal.page import Page, Posted, SignedInPage, go, render
from services.approval.portal.paths import segment
from services.approval.portal.routing import PageRouter
from services.approval.words import N_
from shared.settings import portal_of
from shared.web.problems import Problem, invalid, not_found

router = PageRouter()

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA", "PS256")
ROLES: Final = ("global_admin", "lockbox_approver", "user_admin", "auditor")
_ROWS: Final = 3
_MOST_ROWS: Final = 100
_DONE: Final = {
    "added": N_("The sign-in service is added. People can sign in through it from now on."),
    "removed": N_("The sign-in service is removed. Nobody can sign in through it any more."),
}


def _path(page: Page) -> str:
    return f"/v1/tenants/{page.realm}/issuers"


@router.get("/issuers")
async def issuers(page: SignedInPage, done: Annotated[str, Query()] = "") -> Response:
    found = (await page.api.get(_path(page)))["items"]
    return render(
        page,
        "issuers.html",
        issuers=found,
        may_change=page.has("global_admin"),
        notice=page.words.gettext(_DONE[done]) if done in _DONE else None,
    )


@router.get("/issuers/add")
async def add_form(page: SignedInPage) -> Response:
    return _add_form(page)


def _add_form(page: Page, problem: Problem | None = None, *, more: int = 0) -> Response:
    rows = _rows(page.form)
    count = min(_MOST_ROWS, max(_ROWS, len(rows)) + more)
    return render(
        page,
        "issuers_add.html",
        problem=problem,
        status=200 if page.has("global_admin") else 403,
        rows=[*rows, *[("", "")] * (count - len(rows))],
        roles=ROLES,
        algorithms=ALGORITHMS,
        redirect_uri=f"{portal_of(page.parts.settings)}/oidc/callback",
    )


def _rows(form: Form) -> list[tuple[str, str]]:
    """Give the rows of the form that map a group to a role; rows without a group are left out."""
    return [
        (group.strip(), role) for group, role in zip(form.all("group"), form.all("role"), strict=False) if group.strip()
    ]


@router.post("/issuers/add")
async def add(page: SignedInPage, form: Posted) -> Response:
    """Add an issuer; `step` may ask for more rows first."""
    if form.text("step") == "more":
        return _add_form(page, more=_ROWS)
    rows = _rows(form)
    body: dict[str, Any] = {
        "issuer": form.text("issuer") or "",
        "name": form.text("name") or "",
        "client_id": form.text("client_id") or "",
        "algorithm": form.text("algorithm") or "",
        "mapping": dict(rows),
    }
    body |= {name: value for name in ("client_secret", "group_claim") if (value := form.text(name)) is not None}
    try:
        if len(body["mapping"]) != len(rows):
            raise invalid(("mapping", "must not name the same twice"))
        answer = await page.api.post(_path(page), body, key=form.key)
    except Problem as problem:
        return _add_form(page, problem)
    if "votes" in answer.content:
        return go(f"/changes/{answer.content['id']}", done="proposed")
    return go("/issuers", done="added")


@router.get("/issuers/{issuer_id}/remove")
async def remove_form(page: SignedInPage, issuer_id: str) -> Response:
    return await _remove(page, issuer_id)


async def _remove(page: Page, issuer_id: str, problem: Problem | None = None) -> Response:
    found: list[dict[str, Any]] = (await page.api.get(_path(page)))["items"]
    for one in found:
        if one["id"] == issuer_id:
            return render(page, "issuers_remove.html", problem=problem, issuer=one)
    raise not_found()


@router.post("/issuers/{issuer_id}/remove")
async def remove(page: SignedInPage, form: Posted, issuer_id: str) -> Response:  # noqa: ARG001 - It is checked, and says nothing.
    try:
        await page.api.delete(f"{_path(page)}/{segment(issuer_id)}")
    except Problem as problem:
        return await _remove(page, issuer_id, problem)
    return go("/issuers", done="removed")
