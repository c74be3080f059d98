"""Programs that read the log by themselves: their credentials, made and ended by the realm's own people."""

from typing import Annotated, Any, Final

from fastapi import Query, Response

from services.approval.domain.membership import admin_role
from services.approval.portal.page import Page, Posted, SignedInPage, go, render
from services.approval.portal.paths import segment
from services.approval.portal.routing import PageRouter
from services.approval.words import N_
from shared.settings import portal_of
from shared.web.problems import Problem, not_found

router = PageRouter()

SCOPES: Final = ("audit:read",)
_DONE: Final = {"revoked": N_("The program's credential no longer counts.")}


def _path(page: Page) -> str:
    return f"/v1/tenants/{page.realm}/clients"


@router.get("/clients")
async def clients(page: SignedInPage, done: Annotated[str, Query()] = "") -> Response:
    return await _clients(page, notice=page.words.gettext(_DONE[done]) if done in _DONE else None)


async def _clients(page: Page, *, problem: Problem | None = None, notice: str | None = None) -> Response:
    found = (await page.api.get(_path(page)))["items"]
    may_change = page.has(admin_role(page.realm))
    return render(page, "clients.html", problem=problem, clients=found, may_change=may_change, notice=notice)


@router.post("/clients")
async def make(page: SignedInPage, form: Posted) -> Response:
    """Make a credential, and show its secret: here and now, and never again."""
    try:
        body = {"name": form.text("name") or "", "scopes": list(SCOPES)}
        made = (await page.api.post(_path(page), body, key=form.key)).content
    except Problem as problem:
        return await _clients(page, problem=problem)
    return render(page, "clients_made.html", client=made, portal=portal_of(page.parts.settings))


@router.get("/clients/{client_id}/revoke")
async def revoke_form(page: SignedInPage, client_id: str) -> Response:
    return await _revoke(page, client_id)


async def _revoke(page: Page, client_id: str, problem: Problem | None = None) -> Response:
    found: list[dict[str, Any]] = (await page.api.get(_path(page)))["items"]
    for one in found:
        if one["id"] == client_id:
            return render(page, "clients_revoke.html", problem=problem, client=one)
    raise not_found()


@router.post("/clients/{client_id}/revoke")
async def revoke(page: SignedInPage, form: Posted, client_id: str) -> Response:  # noqa: ARG001 - It is checked, and says nothing.
    try:
        await page.api.delete(f"{_path(page)}/{segment(client_id)}")
    except Problem as problem:
        return await _revoke(page, client_id, problem)
    return go("/clients", done="revoked")
