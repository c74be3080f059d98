"""The portal's routes: what goes wrong in one becomes a page that says so, and an ended session leads through the sign-in."""

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.approval.portal.forms import Form, check_origin, read_form
from services.approval.portal.page import Page, go, render, visit
from services.approval.portal.sign_in_page import sign_in_page
from shared.web.bodies import Route, Router
from shared.web.problems import Problem, answer_for, from_http, from_validation

_NOT_SIGNED_IN: Final = 401
_NO_SESSION: Final = frozenset({"not_authenticated", "token_invalid"})


class PageRoute(Route):
    """A route whose answers, refusals included, are pages. It reads forms, and no other body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler with pages for errors."""
        handle = APIRoute.get_route_handler(self)

        async def as_page(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                problem = from_validation(error)
            except HTTPException as error:
                problem = from_http(error)
            except Exception as error:  # noqa: BLE001 - The one place where any fault becomes a page; it is logged there.
                problem = answer_for(error)
            return await refusal_page(request, problem)

        return as_page


class PageRouter(Router):
    """The router of pages; they stand in no document."""

    def __init__(self) -> None:
        super().__init__(include_in_schema=False)
        self.route_class = PageRoute


async def refusal_page(request: Request, problem: Problem) -> Response:
    """Say on a page why something was refused; where nobody is signed in, lead through the sign-in and back."""
    try:
        page = await visit(request)
    except Problem as worse:
        # Without the API there is no page of the visitor's: the refusal itself is all there is to say.
        return worse.response()
    if problem.status == _NOT_SIGNED_IN and problem.code in _NO_SESSION:
        # It may have ended while the call was under way.
        page.me = None
        return await _through_sign_in(request, page)
    if problem.code == "roles_stale" and request.method == "GET" and page.me is not None and page.me["stale_roles"]:
        # The issuer says it without asking anybody, where its own session still lives.
        return go("/oidc/renew", next=page.address)
    return render(page, "message.html", problem=problem, status=problem.status)


async def _through_sign_in(request: Request, page: Page) -> Response:
    if request.method != "POST":
        query = {"next": page.address} if page.address != "/" else {}
        return go("/sign-in" + (f"?{urlencode(query)}" if query else ""))
    try:
        check_origin(request, page.parts.settings)
        form = await read_form(request)
    except Problem as problem:
        return render(page, "message.html", problem=problem, status=problem.status)
    return await sign_in_page(page, next_path=request.url.path, kept=Form(form.kept()), status=_NOT_SIGNED_IN)
