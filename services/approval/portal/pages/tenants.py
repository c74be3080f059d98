"""The provider's customers, registered by operators with the right to switch the lockbox on; nothing of theirs changes here."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query, Response

from services.approval.portal.page import Page, Posted, SignedInPage, go, render
from services.approval.portal.paths import segment
from services.approval.portal.routing import PageRouter
from services.approval.words import N_
from shared.web.problems import Problem

router = PageRouter()

_PATH: Final = "/v1/tenants"
_DONE: Final = {
    "registered": N_(
        "The customer is registered. A one-time link for the first administrator is on its way by e-mail."
    ),
    "entitlement": N_("The licence is changed."),
}


@router.get("/tenants")
async def tenants(
    page: SignedInPage, cursor: Annotated[str, Query()] = "", done: Annotated[str, Query()] = ""
) -> Response:
    found = await page.api.get(_PATH, cursor=cursor)
    following = found.get("next_cursor")
    return render(
        page,
        "tenants.html",
        tenants=found["items"],
        next_page=f"/tenants?{urlencode({'cursor': following})}" if following else None,
        notice=page.words.gettext(_DONE[done]) if done in _DONE else None,
    )


@router.get("/tenants/add")
async def register_form(page: SignedInPage) -> Response:
    return _register(page)


def _register(page: Page, problem: Problem | None = None) -> Response:
    return render(page, "tenants_add.html", problem=problem, status=200 if page.has("operator") else 403)


@router.post("/tenants/add")
async def register(page: SignedInPage, form: Posted) -> Response:
    body = {
        "id": (form.text("id") or "").lower(),
        "name": form.text("name") or "",
        "entitled": form.has("entitled"),
        "admin": {"email": form.text("admin.email") or "", "name": form.text("admin.name") or ""},
    }
    try:
        await page.api.post(_PATH, body, key=form.key)
    except Problem as problem:
        return _register(page, problem)
    return go("/tenants", done="registered")


@router.get("/tenants/{tenant}/entitlement")
async def entitlement_form(page: SignedInPage, tenant: str) -> Response:
    return await _entitlement(page, tenant)


async def _entitlement(page: Page, tenant: str, problem: Problem | None = None) -> Response:
    found = await page.api.get(f"{_PATH}/{segment(tenant)}")
    status = 200 if page.has("operator") else 403
    return render(page, "tenants_entitlement.html", problem=problem, status=status, tenant=found)


@router.post("/tenants/{tenant}/entitlement")
async def entitle(page: SignedInPage, form: Posted, tenant: str) -> Response:
    try:
        body = {"entitled": form.text("entitled") == "yes"}
        await page.api.put(f"{_PATH}/{segment(tenant)}/entitlement", body)
    except Problem as problem:
        return await _entitlement(page, tenant, problem)
    return go("/tenants", done="entitlement")
