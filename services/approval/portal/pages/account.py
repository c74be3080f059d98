"""The visitor's own account: who he is here, his password, his second factors, his sessions, his recovery codes."""

import io
import json
from typing import Annotated, Any, Final
from urllib.parse import quote

import segno
from fastapi import Query, Response

from services.approval.portal.forms import Form
from services.approval.portal.page import Page, Posted, SignedInPage, go, render
from services.approval.portal.paths import segment
from services.approval.portal.routing import PageRouter
from services.approval.words import N_
from shared.settings import portal_of
from shared.web.bodies import parse_json
from shared.web.problems import Problem, invalid, not_found

router = PageRouter()

_DONE: Final = {
    "password": N_("Your password is changed. All your other sessions have ended."),
    "totp": N_("One-time codes are set up. From now on you are asked for one when you sign in."),
    "passkey": N_("The passkey is registered."),
    "factor": N_("The second factor is removed."),
    "session": N_("The session has ended."),
}
NOT_TWICE: Final = N_("The two entries are not the same. Type the new password twice.")


@router.get("/account")
async def account(page: SignedInPage, done: Annotated[str, Query()] = "") -> Response:
    return await _account(page, notice=page.words.gettext(_DONE[done]) if done in _DONE else None)


async def _account(page: Page, *, problem: Problem | None = None, notice: str | None = None) -> Response:
    sessions = (await page.api.get("/v1/me/sessions"))["items"]
    return render(page, "account.html", problem=problem, sessions=sessions, again=_shows_again(page), notice=notice)


def _shows_again(page: Page) -> bool:
    """Say whether the visitor proves with his password that it is him; who came through an issuer has none to show."""
    return str(page.known["session"]["method"]) != "oidc"


def _password(page: Page, form: Form) -> dict[str, Any]:
    return {"password": form.secret("password")} if _shows_again(page) else {}


def typed_twice(page: Page, field: str) -> str:
    """Give a new password that was typed twice, the same. Raises Problem 422 at its field."""
    first, *again = page.form.all(field) or [""]
    if again != [first]:
        raise invalid((field, page.words.gettext(NOT_TWICE)))
    return str(first)


@router.post("/account/password")
async def change_password(page: SignedInPage, form: Posted) -> Response:
    try:
        new = typed_twice(page, "new")
        await page.api.post("/v1/me/password", {"current": form.secret("current"), "new": new})
    except Problem as problem:
        return await _account(page, problem=problem)
    return go("/account", done="password")


@router.post("/account/sessions/{session_id}/end")
async def end_session(page: SignedInPage, form: Posted, session_id: str) -> Response:  # noqa: ARG001 - It is checked, and says nothing.
    try:
        await page.api.delete(f"/v1/me/sessions/{segment(session_id)}")
    except Problem as problem:
        return await _account(page, problem=problem)
    return go("/account", done="session")


# One-time codes.


@router.get("/account/totp")
async def totp_form(page: SignedInPage) -> Response:
    return _prove(page, "totp")


@router.post("/account/totp")
async def begin_totp(page: SignedInPage, form: Posted) -> Response:
    """Show the secret, once: as a picture for an app's camera, and to be typed."""
    try:
        begun = (await page.api.post("/v1/me/factors/totp", _password(page, form))).content
    except Problem as problem:
        return _prove(page, "totp", problem)
    secret = str(begun["secret"])
    return render(
        page,
        "account_totp.html",
        factor_id=begun["factor_id"],
        picture=_picture(str(begun["uri"])),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
    )


@router.post("/account/totp/confirm")
async def confirm_totp(page: SignedInPage, form: Posted) -> Response:
    factor_id = form.text("factor_id") or ""
    try:
        code = (form.text("code") or "").replace(" ", "")
        await page.api.post(f"/v1/me/factors/totp/{segment(factor_id)}/confirm", {"code": code})
    except Problem as problem:
        # The secret was shown, and is in the app by now: it is not shown a second time.
        return render(page, "account_totp.html", problem=problem, factor_id=factor_id, picture=None, secret=None)
    return go("/account", done="totp")


def _picture(uri: str) -> str:
    """Draw a QR code as SVG in a `data:` address. It stays black on white: a camera reads it by night as well."""
    drawn = io.BytesIO()
    segno.make(uri, micro=False, error="m").save(drawn, kind="svg", scale=5, border=4, dark="#000", light="#fff")
    return "data:image/svg+xml," + quote(drawn.getvalue().decode())


# Passkeys.


@router.get("/account/passkey")
async def passkey_form(page: SignedInPage) -> Response:
    return _prove(page, "passkey")


@router.post("/account/passkey")
async def begin_passkey(page: SignedInPage, form: Posted) -> Response:
    try:
        name = form.text("name")
        if name is None:
            raise invalid(("name", "is required: add it"))
        options = (await page.api.post("/v1/me/factors/passkey/options", _password(page, form))).content
    except Problem as problem:
        return _prove(page, "passkey", problem)
    return render(page, "account_passkey.html", name=name, options=json.dumps(options["publicKey"]))


@router.post("/account/passkey/add")
async def add_passkey(page: SignedInPage, form: Posted) -> Response:
    try:
        body = {"name": form.text("name") or "", "credential": _credential(form)}
        await page.api.post("/v1/me/factors/passkey", body, key=form.key)
    except Problem as problem:
        return _prove(page, "passkey", problem)
    return go("/account", done="passkey")


def _credential(form: Form) -> Any:
    """Read what the page's script put into the form. Raises Problem 422 for what no device gave."""
    try:
        return parse_json(form.secret("credential").encode())
    except Problem:
        raise invalid(("credential", "comes too late, or was sent before"), code="registration_expired") from None


@router.get("/account/factors/{factor_id}")
async def factor_form(page: SignedInPage, factor_id: str) -> Response:
    return _prove(page, "remove", factor=_factor(page, factor_id))


@router.post("/account/factors/{factor_id}")
async def remove_factor(page: SignedInPage, form: Posted, factor_id: str) -> Response:
    factor = _factor(page, factor_id)
    try:
        await page.api.post(f"/v1/me/factors/{factor['id']}/remove", _password(page, form))
    except Problem as problem:
        return _prove(page, "remove", problem, factor=factor)
    return go("/account", done="factor")


def _factor(page: Page, factor_id: str) -> dict[str, Any]:
    for one in page.known["factors"]:
        if one["id"] == factor_id:
            found: dict[str, Any] = one
            return found
    raise not_found()


# Recovery codes.


@router.get("/account/recovery-codes")
async def codes_form(page: SignedInPage) -> Response:
    if not page.has("global_admin"):
        raise not_found()
    return _prove(page, "codes")


@router.post("/account/recovery-codes")
async def new_codes(page: SignedInPage, form: Posted) -> Response:
    try:
        made = await page.api.post("/v1/me/recovery-codes", _password(page, form))
    except Problem as problem:
        return _prove(page, "codes", problem)
    return render(
        page,
        "recovery_codes.html",
        codes=made.content["recovery_codes"],
        realm=page.realm,
        email=page.known["email"],
        fresh=False,
        portal=portal_of(page.parts.settings),
    )


def _prove(
    page: Page, purpose: str, problem: Problem | None = None, *, factor: dict[str, Any] | None = None
) -> Response:
    """Ask for the password before something that a stranger at an open screen must not do."""
    return render(page, "account_prove.html", problem=problem, purpose=purpose, factor=factor, again=_shows_again(page))
