"""History: every request that one may see, by words, state, service, engineer and time."""

from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query, Response

from services.approval.portal.page import SignedInPage, render
from services.approval.portal.request_facts import catalogue_entry, maybe
from services.approval.portal.routing import PageRouter
from shared.web.problems import Problem, invalid

router = PageRouter()

_ON_A_PAGE: Final = 50
_STATES: Final = (
    "awaiting_provider",
    "awaiting_customer",
    "approved",
    "active",
    "ended",
    "denied",
    "expired",
    "withdrawn",
)
# A filter that was not understood shows the form again, and says so.
_UNPROCESSABLE: Final = 422
Typed = Annotated[str, Query(max_length=300)]


@router.get("/history")
async def history(
    page: SignedInPage,
    q: Typed = "",
    state: Typed = "",
    service: Typed = "",
    engineer: Typed = "",
    since: Typed = "",
    until: Typed = "",
    cursor: Annotated[str, Query(max_length=1024)] = "",
) -> Response:
    """Show what the filters leave, the newest first. Days are meant in UTC, the last one whole."""
    chosen = {
        "q": q.strip(),
        "state": state,
        "service": service,
        "engineer": engineer.strip(),
        "since": since,
        "until": until,
    }
    filters = {name: value for name, value in chosen.items() if value}
    refusal = None
    found: dict[str, Any] = {"items": [], "next_cursor": None}
    try:
        instants = {
            "since": _instant("since", since, "T00:00:00Z"),
            "until": _instant("until", until, "T23:59:59.999999Z"),
        }
        found = await page.api.get("/v1/requests", **(filters | instants), cursor=cursor, limit=_ON_A_PAGE)
    except Problem as problem:
        if problem.status != _UNPROCESSABLE:
            raise
        refusal = problem
    services = await maybe(page, "/v1/services")
    items = services["items"] if services else []
    after = urlencode(filters | {"cursor": found["next_cursor"]}) if found["next_cursor"] else ""
    return render(
        page,
        "history.html",
        problem=refusal,
        requests=found["items"],
        next_page=f"/history?{after}" if after else "",
        chosen=chosen,
        filtered=bool(filters),
        states=_STATES,
        services=items,
        service_name=lambda one: (catalogue_entry(items, one) or {"name": one})["name"],
    )


def _instant(field: str, day: str, time: str) -> str | None:
    if not day:
        return None
    try:
        return f"{date.fromisoformat(day).isoformat()}{time}"
    except ValueError:
        raise invalid((field, "must be a date like 2026-11-24")) from None
