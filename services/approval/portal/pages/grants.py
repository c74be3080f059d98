"""Access in force: who can reach what until when, and its end before that."""

from fastapi import Response

from services.approval.portal.page import SignedInPage, render
from services.approval.portal.request_facts import can, catalogue_entry, maybe
from services.approval.portal.routing import PageRouter

router = PageRouter()

_MOST = 100


@router.get("/grants")
async def in_force(page: SignedInPage) -> Response:
    """List what has been granted and has not ended, the soonest end first."""
    found = [await page.api.get("/v1/requests", state=state, limit=_MOST) for state in ("approved", "active")]
    requests = sorted((one for part in found for one in part["items"]), key=lambda one: one["grant"]["access_until"])
    services = await maybe(page, "/v1/services")
    items = services["items"] if services else []
    return render(
        page,
        "grants.html",
        requests=requests,
        more=any(part["next_cursor"] for part in found),
        can=lambda request: can(page, request),
        service_name=lambda service: (catalogue_entry(items, service) or {"name": service})["name"],
    )
