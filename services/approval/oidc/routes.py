"""The way of a browser to a tenant's issuer and back. What goes wrong on it is said on a page."""

import hmac
from typing import Annotated, Final

import structlog
from fastapi import Query, Request, Response

from services.approval.actions.issuers import CALLBACK
from services.approval.oidc.faults import IssuerFault
from services.approval.oidc.people import arrive
from services.approval.oidc.secrets import hashed, new_state
from services.approval.parts import Parts, Standing
from services.approval.portal.cookies import cookie_of, session_of, set_cookie, set_session
from services.approval.portal.forms import local_path
from services.approval.portal.page import HEADERS, SIGN_IN, go
from services.approval.portal.routing import PageRouter
from services.approval.store import issuers, oidc_flows
from services.approval.store.issuers import Issuer
from services.approval.store.oidc_flows import GOOD_FOR, Begun
from shared.database.pool import ACQUIRE_SECONDS
from shared.security.tokens import InvalidToken
from shared.settings import portal_of
from shared.web.fields import EventId
from shared.web.problems import Problem, forbidden, not_found

router = PageRouter()

# A browser may be at several issuers at once, in several windows: what it keeps is the same for all of them.
_BROWSER: Final = "lockbox_oidc"
_LONGEST: Final = 4096
_SEE_OTHER: Final = 303
# What an issuer answers when it would have to ask somebody (Core 1.0, 3.1.2.6).
_MUST_ASK: Final = frozenset(
    {"login_required", "interaction_required", "consent_required", "account_selection_required"}
)
_AGAIN: Final = "Start the sign-in again from the sign-in page, in this browser."
_log = structlog.get_logger(__name__)

Given = Annotated[str | None, Query(max_length=_LONGEST)]
NextPath = Annotated[str | None, Query(alias="next", max_length=_LONGEST)]


def _address(parts: Parts) -> str:
    return portal_of(parts.settings) + CALLBACK


def _problem(fault: IssuerFault) -> Problem:
    return forbidden(fault.detail, fault.code)


async def _issuer(parts: Parts, issuer_id: str) -> Issuer:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await issuers.find(connection, issuer_id)
    if found is None:
        raise not_found()
    return found


@router.get("/oidc/{issuer_id}/start")
async def start(
    request: Request, issuer_id: EventId, parts: Standing, next_path: NextPath = None, prompt: Given = None
) -> Response:
    """Send the browser to the issuer; `prompt=none`: without asking anything there."""
    issuer = await _issuer(parts, issuer_id)
    flow = parts.relying.flow(new_state())
    browser = cookie_of(request, parts.settings, _BROWSER) or new_state()
    silent = prompt == "none"
    try:
        url = await parts.relying.authorization_url(issuer, flow, redirect_uri=_address(parts), silent=silent)
    except IssuerFault as fault:
        raise _problem(fault) from None
    begun = Begun(hashed(browser), issuer.id, local_path(next_path), silent)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        await oidc_flows.begin(connection, hashed(flow.state), begun)
    response = Response(None, _SEE_OTHER, {**HEADERS, "Location": url, "Referrer-Policy": "no-referrer"})
    set_cookie(response, parts.settings, _BROWSER, browser, int(GOOD_FOR.total_seconds()))
    return response


@router.get("/oidc/renew")
async def renew(request: Request, parts: Standing, next_path: NextPath = None) -> Response:
    """Have the issuer of the browser's session say again who this is, without asking him anything."""
    session_id = await _session_id(request, parts)
    found = None
    if session_id is not None:
        async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            found = await issuers.of_session(connection, session_id)
    if found is None:
        return go(SIGN_IN, next=local_path(next_path))
    _, issuer_id = found
    return go(f"/oidc/{issuer_id}/start", prompt="none", next=local_path(next_path))


@router.get(CALLBACK)
async def callback(
    request: Request,
    parts: Standing,
    state: Given = None,
    code: Given = None,
    error: Given = None,
    iss: Given = None,
) -> Response:
    """Take the browser back from the issuer: signed in, or told why not."""
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        begun = None if state is None else await oidc_flows.take(connection, hashed(state))
    if begun is None or state is None:
        raise forbidden(f"This sign-in was finished before, or has taken too long. {_AGAIN}", "sign_in_unknown")
    browser = cookie_of(request, parts.settings, _BROWSER)
    if browser is None or not hmac.compare_digest(hashed(browser), begun.browser):
        raise forbidden(f"This sign-in was begun in another browser. {_AGAIN}", "another_browser")
    issuer = await _issuer(parts, begun.issuer_id)
    try:
        await parts.relying.check_sender(issuer, iss)
        if error is not None or code is None:
            return _not_signed_in(issuer, begun, error)
        flow = parts.relying.flow(state)
        claims = await parts.relying.redeem(issuer, flow, code, redirect_uri=_address(parts))
        present = await _session_id(request, parts)
        arrived = await arrive(parts, issuer, claims, present=present, silent=begun.silent)
    except IssuerFault as fault:
        _log.warning("sign-in at an issuer refused", issuer=issuer.id, tenant=issuer.tenant, code=fault.code)
        raise _problem(fault) from None
    response = go(begun.next)
    response.headers["Referrer-Policy"] = "no-referrer"
    if arrived is not None:
        token, seconds = arrived
        set_session(response, parts.settings, token, seconds)
    return response


def _not_signed_in(issuer: Issuer, begun: Begun, error: str | None) -> Response:
    """Ask the person where a silent renewal was not possible. Raises IssuerFault for what the issuer refuses."""
    if begun.silent and error in _MUST_ASK:
        return go(f"/oidc/{issuer.id}/start", next=begun.next)
    if error == "access_denied":
        raise IssuerFault("access_denied", "You were not signed in: the issuer says that it was declined.")
    said = (error or "no code").encode("ascii", "replace").decode()[:100]
    raise IssuerFault("issuer_refused", f"The issuer did not sign you in ({said}). {_AGAIN}")


async def _session_id(request: Request, parts: Parts) -> str | None:
    """Give the id of the session that the browser has; whether that still lives is judged where it counts."""
    token = session_of(request, parts.settings)
    if token is None:
        return None
    try:
        return (await parts.verifier.verify(token)).session_id
    except InvalidToken:
        return None
