"""The first page: it leads on to what somebody came for. And the choice of a language."""

from typing import Annotated, Final

from fastapi import Query, Response

from services.approval.portal.cookies import set_cookie
from services.approval.portal.forms import local_path
from services.approval.portal.navigation import home
from services.approval.portal.page import LANGUAGE, SignedInPage, Visited, go
from services.approval.portal.routing import PageRouter
from services.approval.words import LANGUAGES
from shared.web.fields import parse_id
from shared.web.problems import not_found

router = PageRouter()

_YEAR_SECONDS: Final = 365 * 24 * 3600


@router.get("/")
async def front(page: SignedInPage, request: Annotated[str | None, Query()] = None) -> Response:
    """Lead to the request that a mail names, else to where the visitor begins."""
    if request is None:
        return go(home(page.known))
    try:
        return go(f"/requests/{parse_id(request)}")
    except ValueError:
        raise not_found() from None


@router.get("/language")
async def language(
    page: Visited, to: Annotated[str, Query()], back: Annotated[str | None, Query(alias="next")] = None
) -> Response:
    response = go(local_path(back))
    if to in LANGUAGES:
        set_cookie(response, page.parts.settings, LANGUAGE, to, _YEAR_SECONDS)
    return response
