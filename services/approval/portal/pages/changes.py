"""Changes that weaken protection and wait for votes: what each would change, who voted, and the visitor's own vote."""

from typing import Annotated, Any, Final

from fastapi import Query, Response

from services.approval.portal.page import Page, Posted, SignedInPage, go, render
from services.approval.portal.paths import segment
from services.approval.portal.routing import PageRouter
from services.approval.portal.settings_form import ORDER, proposed
from services.approval.words import N_
from shared.web.problems import Problem, not_found

router = PageRouter()

_DONE: Final = {
    "proposed": N_("Your change waits for further votes. Nothing has changed yet."),
    "approve": N_("You have approved this change."),
    "deny": N_("You have denied this change: it is rejected."),
}


def _path(page: Page, *rest: str) -> str:
    return "/".join((f"/v1/tenants/{page.realm}/changes", *rest))


@router.get("/changes")
async def changes(page: SignedInPage, cursor: Annotated[str, Query()] = "") -> Response:
    found = await page.api.get(_path(page), cursor=cursor)
    items = [ordered(one) for one in found["items"]]
    return render(
        page,
        "changes.html",
        waiting=[one for one in items if one["state"] == "open"],
        settled=[one for one in items if one["state"] != "open"],
        next_cursor=found.get("next_cursor"),
        voted=lambda change: _voted(page, change),
        may_vote=page.has("global_admin", "lockbox_approver"),
    )


@router.get("/changes/{change_id}")
async def change(page: SignedInPage, change_id: str, done: Annotated[str, Query()] = "") -> Response:
    return await _show(page, change_id, notice=page.words.gettext(_DONE[done]) if done in _DONE else None)


@router.post("/changes/{change_id}/{vote}")
async def cast(page: SignedInPage, form: Posted, change_id: str, vote: str) -> Response:
    if vote not in ("approve", "deny"):
        raise not_found()
    try:
        await page.api.post(_path(page, segment(change_id), vote), {}, key=form.key)
    except Problem as problem:
        return await _show(page, change_id, problem=problem)
    return go(f"/changes/{segment(change_id)}", done=vote)


async def _show(page: Page, change_id: str, *, problem: Problem | None = None, notice: str | None = None) -> Response:
    found = ordered(await page.api.get(_path(page, segment(change_id))))
    services = (await page.api.get("/v1/services"))["items"] if "services" in found["changes"] else []
    approvals = sum(one["vote"] == "approve" for one in found["votes"])
    return render(
        page,
        "change.html",
        problem=problem,
        change=found,
        differences=proposed(found["changes"]),
        service_names={one["id"]: one["name"] for one in services},
        approvals=approvals,
        missing=max(0, found["approvals_required"] - approvals),
        voted=_voted(page, found),
        may_vote=page.has("global_admin", "lockbox_approver"),
        notice=notice,
    )


def ordered(change: dict[str, Any]) -> dict[str, Any]:
    """Give a change with its settings in the order of the page of settings."""
    changes = change["changes"]
    names = [*(name for name in ORDER if name in changes), *(name for name in changes if name not in ORDER)]
    return change | {"changes": {name: changes[name] for name in names}}


def _voted(page: Page, change: dict[str, Any]) -> bool:
    return any(one["by"]["email"] == page.known["email"] for one in change["votes"])
