"""A tenant's settings: read, changed in a form, looked at before they are saved."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Query, Response

from services.approval.portal import settings_form
from services.approval.portal.forms import CSRF, KEY, RESUMED
from services.approval.portal.page import Page, Posted, SignedInPage, go, render
from services.approval.portal.routing import PageRouter
from services.approval.portal.settings_words import in_words
from services.approval.words import N_
from shared.web.problems import Problem, invalid

router = PageRouter()

_DONE: Final = {
    "saved": N_("The settings are saved and count from now on."),
}
_NOT_SETTINGS: Final = frozenset({CSRF, KEY, RESUMED, "step"})


def _path(page: Page) -> str:
    return f"/v1/tenants/{page.realm}/settings"


@router.get("/settings")
async def settings(page: SignedInPage, done: Annotated[str, Query()] = "") -> Response:
    now = await page.api.get(_path(page))
    return await _form(
        page, now, settings_form.fill_in(now), notice=page.words.gettext(_DONE[done]) if done in _DONE else None
    )


@router.post("/settings")
async def change_settings(page: SignedInPage, form: Posted) -> Response:
    """Show what would change (`step` is `check`), save it (`save`), or go on editing (`edit`)."""
    now = await page.api.get(_path(page))
    fields = {name: value for name, value in form.pairs if name not in _NOT_SETTINGS}
    wanted, errors = settings_form.read(fields, sinks=now["sinks"])
    if errors:
        return await _form(
            page, now, fields, problem=invalid(*((name, page.words.gettext(message)) for name, message in errors))
        )
    if wanted["version"] != now["version"]:
        return await _conflict(page, now, wanted, fields)
    step = form.text("step")
    if step == "edit":
        return await _form(page, now, fields)
    if step != "save":
        return await _review(page, now, wanted, fields)
    try:
        answer = await page.api.put(_path(page), wanted)
    except Problem as problem:
        if problem.code == "settings_changed":
            return await _conflict(page, await page.api.get(_path(page)), wanted, fields)
        if problem.code == "signed_in_again":
            return await _review(page, now, wanted, fields, problem=problem)
        return await _form(page, now, fields, problem=in_words(problem, fields, wanted, page.words))
    if "votes" in answer.content:
        return go(f"/changes/{answer.content['id']}", done="proposed")
    return go("/settings", done="saved")


async def _form(
    page: Page,
    now: Mapping[str, Any],
    fields: Mapping[str, str],
    *,
    problem: Problem | None = None,
    conflict: list[settings_form.Difference] | None = None,
    notice: str | None = None,
) -> Response:
    services = await _services(page, now)
    used = settings_form.reminder_positions(fields)
    rows = max((*used, len(now["reminders"]) - 1), default=-1) + 1 + settings_form.EMPTY_REMINDERS
    waiting = (await page.api.get(f"/v1/tenants/{page.realm}/changes"))["items"]
    return render(
        page,
        "settings.html",
        status=409 if conflict else 200,
        problem=problem,
        settings=now,
        fields=fields,
        services=services,
        service_names={one["id"]: one["name"] for one in services},
        order=settings_form.ORDER,
        editable=page.has("global_admin", "lockbox_approver"),
        reminder_rows=range(min(rows, 20)),
        conflict=conflict,
        waiting=sum(one["state"] == "open" for one in waiting),
        notice=notice,
    )


async def _conflict(page: Page, now: Mapping[str, Any], wanted: dict[str, Any], fields: dict[str, str]) -> Response:
    """Show both what is saved now and what was entered, which stays in the form."""
    both = settings_form.differences(now, wanted)
    return await _form(page, now, fields | {"version": str(now["version"])}, conflict=both)


async def _review(
    page: Page, now: Mapping[str, Any], wanted: dict[str, Any], fields: dict[str, str], problem: Problem | None = None
) -> Response:
    found = settings_form.differences(now, wanted)
    services = await _services(page, now)
    weakens = any(one.weakens for one in found)
    return render(
        page,
        "settings_review.html",
        problem=problem,
        differences=found,
        fields=fields,
        service_names={one["id"]: one["name"] for one in services},
        weakens=weakens,
        switches_off=now["enabled"] and not wanted["enabled"],
        to_the_vote=weakens and now["approvals_required"] > 1,
        approvals_required=now["approvals_required"],
    )


async def _services(page: Page, now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the provider's catalogue, and behind it what the settings still name though it is no longer offered."""
    offered: list[dict[str, Any]] = (await page.api.get("/v1/services"))["items"]
    known = {one["id"] for one in offered}
    gone = [{"id": one, "name": one, "excludes": []} for one in now["services"] if one not in known]
    return [*offered, *gone]
