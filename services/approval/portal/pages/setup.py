"""The other end of a one-time link, and the way back in with a recovery code: for people who are not signed in."""

from typing import Annotated, Final

from fastapi import Query, Response

from services.approval.portal.page import Page, Posted, Visited, render
from services.approval.portal.pages.account import typed_twice
from services.approval.portal.routing import PageRouter
from shared.settings import portal_of
from shared.web.problems import Problem

router = PageRouter()

# The link's token stands in the address: no other page is told it. (`no-referrer` would have browsers hide where the form
# itself comes from, too.)
_UNTOLD: Final = {"Referrer-Policy": "strict-origin"}


@router.get("/setup")
async def setup_form(page: Visited, token: Annotated[str, Query()] = "") -> Response:
    return _setup(page, token)


def _setup(page: Page, token: str, problem: Problem | None = None) -> Response:
    return render(page, "setup.html", problem=problem, headers=_UNTOLD, token=token)


@router.post("/setup")
async def set_up(page: Visited, form: Posted) -> Response:
    token = form.secret("token")
    try:
        password = typed_twice(page, "password")
        made = (await page.api.post("/v1/setup", {"token": token, "password": password})).content
    except Problem as problem:
        return _setup(page, token, problem)
    codes = made["recovery_codes"]
    if codes:
        return render(
            page,
            "recovery_codes.html",
            headers=_UNTOLD,
            codes=codes,
            realm=made["realm"],
            email=made["email"],
            fresh=True,
            portal=portal_of(page.parts.settings),
        )
    return render(page, "setup_done.html", headers=_UNTOLD, realm=made["realm"], email=made["email"])


@router.get("/recover")
async def recover_form(page: Visited) -> Response:
    return render(page, "recover.html")


@router.post("/recover")
async def recover(page: Visited, form: Posted) -> Response:
    try:
        given = {
            "realm": (form.text("realm") or "").lower(),
            "email": form.text("email") or "",
            "code": form.text("code") or "",
            "password": typed_twice(page, "password"),
        }
        made = (await page.api.post("/v1/recovery", given)).content
    except Problem as problem:
        return render(page, "recover.html", problem=problem)
    return render(page, "setup_done.html", realm=made["realm"], email=made["email"])
