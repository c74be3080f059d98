"""Requests: those that wait, the soonest deadline first, and one on one page."""

from typing import Annotated, Any, Final

from fastapi import Query, Response

from services.approval.portal.page import Page, SignedInPage, render
from services.approval.portal.request_facts import can, catalogue_entry, maybe
from services.approval.portal.request_page import request_page
from services.approval.portal.routing import PageRouter
from shared.web.fields import EventId

router = PageRouter()

_ON_A_PAGE: Final = 50
Cursor = Annotated[str | None, Query(max_length=1024)]


@router.get("/requests")
async def waiting(page: SignedInPage, cursor: Cursor = None) -> Response:
    """List what waits for the visitor: a customer's people, or the provider's managers; an engineer's own requests."""
    if page.provider and not page.has("manager", "auditor"):
        found = await page.api.get("/v1/requests", cursor=cursor, limit=_ON_A_PAGE)
        return await _list(page, found, kind="own")
    stage = "awaiting_provider" if page.provider else "awaiting_customer"
    found = await page.api.get("/v1/requests", state=stage, order="deadline", cursor=cursor, limit=_ON_A_PAGE)
    others = None
    if page.provider and cursor is None:
        others = await page.api.get("/v1/requests", state="awaiting_customer", order="deadline", limit=_ON_A_PAGE)
    return await _list(page, found, kind=stage, others=others)


async def _list(page: Page, found: dict[str, Any], *, kind: str, others: dict[str, Any] | None = None) -> Response:
    services = await maybe(page, "/v1/services")
    items = services["items"] if services else []
    return render(
        page,
        "requests.html",
        kind=kind,
        requests=found["items"],
        next_cursor=found["next_cursor"],
        others=others["items"] if others else [],
        can=lambda request: can(page, request),
        service_name=lambda service: (catalogue_entry(items, service) or {"name": service})["name"],
    )


@router.get("/requests/{request_id}")
async def one(
    request_id: EventId, page: SignedInPage, done: Annotated[str | None, Query(max_length=32)] = None
) -> Response:
    return await request_page(page, request_id, done=done)
