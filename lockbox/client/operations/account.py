"""One's own account: signing in, sessions, password, second factors, and coming back when locked out."""

from __future__ import annotations

from typing import Final

from lockbox.client.calls import Call, as_, given, nothing, pages_of, path
from lockbox.client.groups import Group, Mode, Operation
from lockbox.client.reading import Page
from lockbox.client.things.people import Factor, Me, NewTotp, Recovered, RecoveryCodes, Session, SetUp, SignedIn

_FORM: Final = "client_credentials"


def sign_in(realm: str, email: str, password: str, code: str | None = None) -> Call[SignedIn]:
    """Open a session: one token for all services. Raises Unauthorized `code_required` where a TOTP code is needed."""
    body = given(realm=realm, email=email, password=password, code=code)
    return Call("POST", "approval", "/v1/sessions", as_(SignedIn), body=body, anonymous=True)


def sign_in_as_machine(client_id: str, client_secret: str) -> Call[SignedIn]:
    """Fetch a machine client's token (OAuth 2, client credentials)."""
    form = {"grant_type": _FORM, "client_id": client_id, "client_secret": client_secret}
    return Call("POST", "approval", "/v1/token", as_(SignedIn), form=form, anonymous=True)


def sign_out() -> Call[None]:
    """End the session: its token counts nowhere any more."""
    return Call("DELETE", "approval", "/v1/sessions/current", nothing)


def _show() -> Call[Me]:
    """Show who is signed in, with the roles of this moment."""
    return Call("GET", "approval", "/v1/me", as_(Me))


def _change_password(current: str, new: str) -> Call[Me]:
    """Change one's own password; all other sessions end."""
    return Call("POST", "approval", "/v1/me/password", as_(Me), body={"current": current, "new": new})


def _sessions() -> Call[Page[Session]]:
    """List one's own sessions."""
    return Call("GET", "approval", "/v1/me/sessions", pages_of(Session))


def _end_session(session_id: str) -> Call[None]:
    """End one of one's own sessions."""
    return Call("DELETE", "approval", path("/v1/me/sessions/{}", session_id), nothing)


def _new_recovery_codes(password: str) -> Call[RecoveryCodes]:
    """Make new recovery codes (global_admin); the old ones end. They are in this answer alone."""
    return Call("POST", "approval", "/v1/me/recovery-codes", as_(RecoveryCodes), body={"password": password})


def _add_totp(password: str | None) -> Call[NewTotp]:
    """Begin to add a TOTP app; it counts once `confirm_totp` had a code of it."""
    return Call("POST", "approval", "/v1/me/factors/totp", as_(NewTotp), body={"password": password})


def _confirm_totp(factor_id: str, code: str) -> Call[Factor]:
    """Confirm a TOTP app with a code that it shows."""
    where = path("/v1/me/factors/totp/{}/confirm", factor_id)
    return Call("POST", "approval", where, as_(Factor), body={"code": code})


def _remove_factor(factor_id: str, password: str | None) -> Call[Page[Factor]]:
    """Remove a second factor; those that are left."""
    where = path("/v1/me/factors/{}/remove", factor_id)
    return Call("POST", "approval", where, pages_of(Factor), body={"password": password})


def _set_up(token: str, password: str) -> Call[SetUp]:
    """Set one's password with the token of a one-time link."""
    body = {"token": token, "password": password}
    return Call("POST", "approval", "/v1/setup", as_(SetUp), body=body, anonymous=True)


def _recover(realm: str, email: str, code: str, password: str) -> Call[Recovered]:
    """Come back with a recovery code, which is then used up: a new password, sessions ended, factors removed."""
    body = {"realm": realm, "email": email, "code": code, "password": password}
    return Call("POST", "approval", "/v1/recovery", as_(Recovered), body=body, anonymous=True)


class Account(Group[Mode]):
    """One's own account."""

    show = Operation(_show)
    change_password = Operation(_change_password)
    sessions = Operation(_sessions)
    end_session = Operation(_end_session)
    new_recovery_codes = Operation(_new_recovery_codes)
    add_totp = Operation(_add_totp)
    confirm_totp = Operation(_confirm_totp)
    remove_factor = Operation(_remove_factor)
    set_up = Operation(_set_up)
    recover = Operation(_recover)
