"""Signing in and out. What an ended session kept from being sent waits unseen, and is shown again: nothing is sent by itself."""

import json
from typing import Annotated, Final
from urllib.parse import urlencode

import httpx
from cryptography.fernet import Fernet, InvalidToken
from fastapi import Query, Response
from joserfc.util import urlsafe_b64encode

from services.approval.portal.cookies import SESSION, clear_session, cookie_name, set_session
from services.approval.portal.forms import CSRF, RESUMED, Form, csrf_token, local_path
from services.approval.portal.page import Page, Posted, Visited, go, holder_of, posted, render
from services.approval.portal.routing import PageRouter
from services.approval.portal.sign_in_page import KEPT, sign_in_page
from services.approval.words import N_
from shared.security.keys import derive_key
from shared.web.problems import Problem

router = PageRouter()

# How long a password that was right waits for its one-time code.
_CODE_SECONDS: Final = 300


@router.get("/sign-in")
async def sign_in_form(page: Visited, back: Annotated[str | None, Query(alias="next")] = None) -> Response:
    where = local_path(back)
    if page.me is not None:
        return go(where)
    page.address = "/sign-in" + (f"?{urlencode({'next': where})}" if where != "/" else "")
    return await sign_in_page(page, next_path=where)


@router.post("/sign-in")
async def sign_in(page: Visited, form: Posted) -> Response:
    where = local_path(form.text("next"))
    waiting = [(name.removeprefix(KEPT), value) for name, value in form.pairs if name.startswith(KEPT)]
    kept = Form(waiting) if waiting else None
    sealed = form.text("sealed")
    if form.has("elsewhere") and kept is not None and page.token is not None and page.me is not None:
        return await _resume(page, page.token, where, kept)
    try:
        given = _opened(page, sealed) if sealed is not None else _typed(form)
        code = form.text("code")
        if code is not None:
            given["code"] = code.replace(" ", "")
        session = (await page.api.post("/v1/sessions", given)).content
    except Problem as problem:
        wants_code = problem.code == "code_required" or (problem.code == "invalid_credentials" and sealed is not None)
        if problem.code == "code_required":
            sealed = _sealed(page, given)
        return await sign_in_page(
            page,
            next_path=where,
            kept=kept,
            problem=problem,
            sealed=sealed if wants_code else None,
            status=problem.status,
        )
    token, seconds = session["access_token"], session["expires_in"]
    response = await _resume(page, token, where, kept) if kept is not None else go(where)
    set_session(response, page.parts.settings, token, seconds)
    return response


@router.post("/sign-out")
async def sign_out(page: Visited) -> Response:
    if page.me is not None:
        await posted(page.request)
        await page.api.delete("/v1/sessions/current")
        page.me = None
    response = render(
        page, "message.html", title=N_("You are signed out"), text=N_("Nobody else can go on in your name here.")
    )
    clear_session(response, page.parts.settings)
    return response


def _typed(form: Form) -> dict[str, str]:
    return {
        "realm": (form.text("realm") or "").lower(),
        "email": form.text("email") or "",
        "password": form.secret("password"),
    }


async def _resume(page: Page, token: str, path: str, kept: Form) -> Response:
    """Show the form that was kept, filled in, by sending it to its own route in the new session, marked as resumed.

    So marked, nothing can be changed by it: see `Api`. The route shows its form again as after any refusal.
    """
    settings = page.parts.settings
    client = page.request.client
    transport = httpx.ASGITransport(
        page.request.app, client=("127.0.0.1", 0) if client is None else (client.host, client.port)
    )
    session = await page.parts.verifier.verify(token)
    pairs = [*kept.kept(), (RESUMED, "yes"), (CSRF, csrf_token(settings, holder_of(session.session_id)))]
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept-Language": page.words.language,
        "Cookie": f"{cookie_name(SESSION, settings)}={token}",
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://approval", trust_env=False) as http:
        shown = await http.post(path, content=urlencode(pairs), headers=headers)
    kind = shown.headers.get("content-type", "")
    if not kind.startswith("text/html"):
        return go("/")
    passed_on = {name: shown.headers[name] for name in ("content-security-policy",) if name in shown.headers}
    return Response(shown.content, shown.status_code, passed_on, kind)


def _fernet(page: Page) -> Fernet:
    key = derive_key(page.parts.settings.internal_secret.get_secret_value(), "portal sign-in")
    return Fernet(urlsafe_b64encode(key) + b"=")


def _sealed(page: Page, given: dict[str, str]) -> str:
    """Seal a right password while its code is asked for: only this service opens it, for this browser, for five minutes."""
    return _fernet(page).encrypt(json.dumps({"visit": page.visit, "given": given}).encode()).decode()


def _opened(page: Page, sealed: str) -> dict[str, str]:
    try:
        content = json.loads(_fernet(page).decrypt(sealed.encode(), ttl=_CODE_SECONDS))
    except (InvalidToken, ValueError):
        content = {}
    if content.get("visit") != page.visit:
        raise Problem(401, "sign_in_again", N_("That took too long. Please enter your password once more."))
    given: dict[str, str] = content["given"]
    return given
