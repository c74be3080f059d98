"""One request on one page, as it is shown by itself and again after a decision that was refused."""

from typing import Any, Final

from fastapi import Response

from services.approval.portal.page import Page, render
from services.approval.portal.request_facts import (
    Can,
    approvals,
    can,
    catalogue_entry,
    maybe,
    proof,
    shorter,
    timeline,
)
from services.approval.words import N_
from shared.web.problems import Problem

DONE: Final = {
    "approve": N_("Your approval is recorded."),
    "void": N_("Something had changed meanwhile, so that the system denied this request. You find the reason below."),
    "deny": N_("You have denied this request. Nobody gets access by it."),
    "ask": N_("Your question is on its way to the engineer."),
    "answer": N_("Your answer is recorded, and appears here in a moment."),
    "withdraw": N_("The request is withdrawn. It may take a moment until this shows here."),
    "revoke": N_("Access has ended."),
    "provider-approve": N_("Your approval is recorded. The customer decides now."),
    "provider-deny": N_("You have denied this request. The customer is not asked."),
}


async def request_page(
    page: Page, request_id: str, *, problem: Problem | None = None, done: str | None = None
) -> Response:
    """Show a request. Raises Problem 404 where the visitor may not see it."""
    request: dict[str, Any] = await page.api.get(f"/v1/requests/{request_id}")
    page.address = f"/requests/{request['id']}"
    possible = can(page, request)
    services = await maybe(page, "/v1/services")
    first = await maybe(page, f"/v1/requests/{request['extends']}") if request["extends"] else None
    settings = await maybe(page, f"/v1/tenants/{page.realm}/settings") if possible.approve else None
    return render(
        page,
        "request.html",
        problem=problem,
        request=request,
        can=possible,
        proof=proof(page) if possible.approve else None,
        steps=timeline(request),
        approvals=approvals(request),
        shorter=[(one, page.words.duration(one)) for one in shorter(request["duration"])],
        service=catalogue_entry(services["items"] if services else (), request["service"]),
        first=first,
        settings_version=settings["version"] if settings else None,
        notice=page.words.gettext(DONE[done]) if done in DONE and _is_so(done, page, request, possible) else None,
    )


def _is_so(done: str, page: Page, request: dict[str, Any], possible: Can) -> bool:
    """Say whether what the address claims was done: a link that somebody made tells nobody a decision that never was."""
    email, state = str(page.known["email"]), str(request["state"])
    decided = any(one["by"] and one["by"]["email"] == email for one in request["decisions"])
    match done:
        case "approve":
            return possible.voted
        case "deny" | "provider-deny":
            return decided and state == "denied"
        case "void":
            return not page.provider and state == "denied"
        case "provider-approve":
            return decided and page.provider
        case "revoke":
            return state == "ended"
        case "ask":
            return any(one["by"]["email"] == email for one in request["thread"])
        case _:
            return possible.own
