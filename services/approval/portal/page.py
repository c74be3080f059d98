"""A page being made for somebody: who looks at it, in which language, what he may do, and how it is answered."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import Depends, Request, Response

from services.approval.deciding import ROLES_STALE
from services.approval.parts import Parts, parts_of
from services.approval.portal import navigation, templating
from services.approval.portal.api import Api
from services.approval.portal.cookies import cookie_of, session_of, set_cookie
from services.approval.portal.forms import Form, check_origin, check_token, csrf_token, local_path, read_form
from services.approval.portal.refusals import explain, field_errors
from services.approval.words import LANGUAGES, Words, wanted
from shared.events.envelope import PROVIDER
from shared.web.problems import Problem, forbidden, unauthorized

LANGUAGE: Final = "lockbox_language"
SIGN_IN: Final = "/sign-in"
_VISIT: Final = "lockbox_visit"
_VISIT_SECONDS: Final = 24 * 3600
_SEE_OTHER: Final = 303
_REFUSED: Final = 422

HEADERS: Final = {
    # Nothing is loaded or sent anywhere but here; no site frames us; no page runs a script that is not a file of ours.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # `no-referrer` would make browsers send forms with `Origin: null`, by which nobody can tell a foreign one.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Cookie, Accept-Language",
}


@dataclass(slots=True)
class Page:
    """What every page is made from. `me` is what `GET /v1/me` says of the visitor, or None where nobody is signed in."""

    request: Request
    parts: Parts
    words: Words
    api: Api
    token: str | None
    visit: str
    new_visit: bool
    now: datetime
    address: str
    me: dict[str, Any] | None = None
    form: Form = field(default_factory=Form)

    @property
    def realm(self) -> str:
        """The visitor's realm: `provider` or a tenant."""
        return str(self.known["realm"])

    @property
    def provider(self) -> bool:
        return self.realm == PROVIDER

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.known["roles"])

    @property
    def known(self) -> dict[str, Any]:
        """The visitor. Raises Problem 401 where nobody is signed in."""
        if self.me is None:
            raise unauthorized()
        return self.me

    @property
    def csrf(self) -> str:
        """The token of this page's forms."""
        return csrf_token(self.parts.settings, self.holder)

    @property
    def holder(self) -> str:
        return holder_of(self.me["session"]["id"]) if self.me is not None else self.visitor

    @property
    def visitor(self) -> str:
        return f"visit {self.visit}"

    def has(self, *roles: str) -> bool:
        """Say whether the visitor holds one of these roles."""
        return not self.roles.isdisjoint(roles)

    def explain(self, problem: Problem) -> str:
        """Say in the reader's language why something was refused."""
        return explain(problem, self.words)


def holder_of(session_id: str) -> str:
    """Name the holder of a session's forms: the session and not its token, which may be issued anew."""
    return f"session {session_id}"


async def visit(request: Request) -> Page:
    """Make the page of whoever looks at it; it is made once a call. Raises what the API raises but for 401."""
    made: Page | None = getattr(request.state, "page", None)
    if made is not None:
        return made
    parts = await parts_of(request)
    settings = parts.settings
    chosen = cookie_of(request, settings, LANGUAGE)
    if chosen is None or chosen not in LANGUAGES:
        chosen = wanted(request.headers.get("accept-language", ""))
    token, number = session_of(request, settings), cookie_of(request, settings, _VISIT)
    query = f"?{request.url.query}" if request.url.query else ""
    page = Page(
        request=request,
        parts=parts,
        words=Words(chosen),
        api=Api(request, settings, token, language=chosen),
        token=token,
        visit=number or secrets.token_urlsafe(24),
        new_visit=number is None,
        now=datetime.now(UTC),
        address=local_path(quote(request.url.path) + query) if request.method == "GET" else "/",
    )
    if token is not None:
        try:
            page.me = await page.api.get("/v1/me")
        except Problem as problem:
            if problem.status != 401:  # noqa: PLR2004 - Not signed in (any more) is an answer here.
                raise
    request.state.page = page
    return page


async def signed_in(request: Request) -> Page:
    """Make the page of somebody who is signed in. Raises Problem 401, which the route turns into the sign-in page.

    Also 403 `roles_stale` for a page that is opened while its issuer has to confirm his roles: the route has it do so.
    """
    page = await visit(request)
    if page.me is None:
        raise unauthorized()
    if page.me["stale_roles"] and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        raise forbidden(ROLES_STALE, "roles_stale")
    return page


async def posted(request: Request) -> Form:
    """Read a form that was sent from a page of ours by the visitor for whom it was made. Raises Problem.

    While it was kept over a sign-in, nothing can be changed in its name: see `Api`.
    """
    page = await visit(request)
    check_origin(request, page.parts.settings)
    form = await read_form(request)
    # The form that signs somebody in is bound to the visit, also where he has signed in meanwhile in another window.
    holder = page.visitor if request.url.path == SIGN_IN else page.holder
    check_token(form, page.parts.settings, holder)
    page.form = form
    page.api.resumed = form.resumed
    return form


Visited = Annotated[Page, Depends(visit)]
"""A page that everybody may see: `page: Visited`."""
SignedInPage = Annotated[Page, Depends(signed_in)]
"""A page for people who are signed in. It stands before `Posted` in a route, so that an ended session keeps what was typed."""
Posted = Annotated[Form, Depends(posted)]
"""The form of a POST, checked: `form: Posted`."""


def render(
    page: Page,
    template: str,
    *,
    status: int = 200,
    problem: Problem | None = None,
    headers: Mapping[str, str] | None = None,
    **facts: Any,
) -> Response:
    """Answer with a template.

    Templates find `page`, `me`, `form` (what was typed, where it is shown again), `now`, `errors` (field -> message) and
    `refusal` (why it was refused, or None) beside the facts. With a `problem` the answer's status is the problem's.
    """
    if problem is not None and status == 200:  # noqa: PLR2004 - Nothing else was asked for.
        status = 200 if problem.code == "signed_in_again" else problem.status
    known: dict[str, Any] = {
        "page": page,
        "me": page.me,
        "form": page.form,
        "now": page.now,
        "language": page.words.language,
        "languages": LANGUAGES,
        "entries": navigation.entries(page.me) if page.me is not None else [],
        "demo": page.parts.settings.demo,
        "errors": field_errors(problem, page.words),
        "refusal": explain(problem, page.words) if problem is not None else None,
        "problem": problem,
        "notice": None,
    }
    written = templating.write(page.words.language, template, known | facts)
    response = Response(written, status, {**HEADERS, **(headers or {})}, "text/html; charset=utf-8")
    if page.new_visit and page.me is None:
        set_cookie(response, page.parts.settings, _VISIT, page.visit, _VISIT_SECONDS)
    if problem is not None and "retry-after" in problem.headers:
        response.headers["Retry-After"] = problem.headers["retry-after"]
    return response


def go(path: str, **query: str) -> Response:
    """Send the browser on with GET (after a form was taken: reloading sends nothing again). `path` is one of this site."""
    where = path + (f"?{urlencode(query)}" if query else "")
    return Response(None, _SEE_OTHER, {**HEADERS, "Location": where})
