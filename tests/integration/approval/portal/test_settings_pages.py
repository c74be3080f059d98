"""The page of settings: read by those who may, changed after a look at what changes, and voted on where two must agree."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.approval.portal.administration import (
    ADMIN,
    AUDITOR,
    DPO,
    HELPDESK,
    OTTO,
    USER,
    browser_of,
    statuses,
    went,
)
from tests.integration.approval.portal.browsing import Browser, ShownForm, form_to, forms_of, text_of
from tests.integration.approval.rules import require
from tests.integration.approval.system import Approval


async def settings(approval: Approval) -> dict[str, Any]:
    answer: dict[str, Any] = (await approval.call(DPO, "GET", "/v1/tenants/contoso/settings")).json()
    return answer


async def form_of(browser: Browser) -> ShownForm:
    return form_to(await browser.open("/settings"), "/settings")


async def review(browser: Browser, **typed: Any) -> Any:
    page = await browser.send(await form_of(browser), step="check", **typed)
    assert page.status_code == 200, text_of(page)
    return page


async def test_who_decides_changes_settings_the_auditor_reads_them_and_nobody_else_sees_them(
    approval: Approval,
) -> None:
    people = (ADMIN, DPO, AUDITOR, HELPDESK, USER, OTTO)
    assert list((await statuses(approval, "/settings", *people)).values()) == [200, 200, 200, 403, 403, 404]
    page = await (await browser_of(approval, AUDITOR)).open("/settings")
    assert "You can read the settings" in text_of(page)
    assert not [form for form in forms_of(page) if form.action == "/settings"]
    assert "on: no access without your decision" in text_of(page)


async def test_the_page_says_what_is_covered_and_what_is_excluded(approval: Approval) -> None:
    page = text_of(await (await browser_of(approval, DPO)).open("/settings"))
    assert "Skype for Business Excluded: meeting-recordings, meeting-uploads" in page


async def test_a_form_sent_as_it_was_changes_nothing(approval: Approval) -> None:
    before = await settings(approval)
    assert "You have changed nothing" in text_of(await review(await browser_of(approval, DPO)))
    assert await settings(approval) == before


async def test_settings_are_looked_at_before_they_are_saved(approval: Approval) -> None:
    browser, before = await browser_of(approval, DPO), await settings(approval)
    typed: dict[str, Any] = {
        "decision_window": "90", "decision_window_unit": "minutes", "notify": "soc@contoso.example\nciso@contoso.example",
        "reminders.0.left": "30", "reminders.0.unit": "minutes", "reminders.0.to": "global_admins",
        "second_factor": "off", "links_in_mail": "off",
    }  # fmt: skip
    page = await review(browser, **typed)
    seen = text_of(page)
    assert "12 hours 1 hour 30 minutes" in seen
    assert "added: soc@contoso.example" in seen
    assert "when 30 minutes remain: to the global administrators" in seen
    assert await settings(approval) == before
    done = await browser.send(form_to(page, "/settings"), step="save")
    assert "The settings are saved" in text_of(await browser.open(went(done, "/settings")))
    after = await settings(approval)
    assert after["decision_window"] == "PT1H30M"
    assert after["notify"] == ["soc@contoso.example", "ciso@contoso.example"]
    assert after["reminders"] == [{"left": "PT30M", "to": "global_admins"}]
    assert after["links_in_mail"] is False


async def test_what_was_reviewed_can_be_edited_on(approval: Approval) -> None:
    browser = await browser_of(approval, DPO)
    page = await review(browser, max_duration="3")
    again = await browser.send(form_to(page, "/settings"), step="edit")
    assert form_to(again, "/settings").value("max_duration") == "3"


async def test_switching_off_says_plainly_what_off_means(approval: Approval) -> None:
    browser = await browser_of(approval, ADMIN)
    assert "The provider's own manager decides alone, and you are not asked" in text_of(await browser.open("/settings"))
    page = await review(browser, enabled="off")
    assert "This switches the lockbox off" in text_of(page)
    done = await browser.send(form_to(page, "/settings"), step="save")
    went(done, "/settings")
    assert (await settings(approval))["enabled"] is False
    page = await review(browser, enabled="on")
    assert "weakens" not in text_of(page)
    went(await browser.send(form_to(page, "/settings"), step="save"), "/settings")


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"decision_window": "twelve"}, "decision_window", "Write a whole number above zero"),
        ({"decision_window": "5", "decision_window_unit": "minutes"}, "decision_window", "from 15 minutes to 14 days"),
        ({"max_duration": "9", "max_duration_unit": "hours"}, "max_duration", "to 4 hours"),
        ({"max_duration": "9" * 40}, "max_duration", "Write a whole number above zero"),
        ({"approvals_required": "40"}, "approvals_required", "so many people may decide"),
        ({"notify": "soc@contoso.example\nnobody"}, "notify", "nobody is no e-mail address"),
        ({"notify": "a@contoso.example\na@contoso.example"}, "notify", "The same stands here twice"),
        ({"reminders.1.left": "-4"}, "reminders.1.left", "Write a whole number above zero"),
    ],
)  # fmt: skip
async def test_bad_input_is_said_at_its_field_and_everything_typed_stays(
    approval: Approval, typed: dict[str, Any], field: str, said: str
) -> None:
    browser, before = await browser_of(approval, DPO), await settings(approval)
    page = await browser.send(await form_of(browser), step="save", **{"links_in_mail": "on", **typed})
    assert page.status_code == 422, text_of(page)
    assert f'id="{field}-error"' in page.text
    assert said in text_of(page)
    form = form_to(page, "/settings")
    for name, value in typed.items():
        assert form.value(name) == value
    assert await settings(approval) == before


async def test_a_hostile_address_is_shown_and_does_nothing(approval: Approval) -> None:
    browser = await browser_of(approval, DPO)
    page = await browser.send(await form_of(browser), step="save", notify="<script>alert(1)</script></textarea>")
    assert page.status_code == 422
    assert "<script>alert" not in page.text


async def test_whoever_comes_second_sees_both_and_loses_nothing_that_he_typed(approval: Approval) -> None:
    slow, quick = await browser_of(approval, DPO), await browser_of(approval, ADMIN)
    form = await form_of(slow)
    page = await review(quick, max_duration="2")
    went(await quick.send(form_to(page, "/settings"), step="save"), "/settings")
    page = await slow.send(form, step="check", decision_window="7", decision_window_unit="hours")
    assert page.status_code == 409
    seen = text_of(page)
    assert "Somebody else has changed the settings meanwhile" in seen
    assert "Saved now What you entered" in seen
    again = form_to(page, "/settings")
    assert again.value("decision_window") == "7"
    page = await slow.send(again, step="check", max_duration="2")
    went(await slow.send(form_to(page, "/settings"), step="save"), "/settings")
    after = await settings(approval)
    assert (after["decision_window"], after["max_duration"]) == ("PT7H", "PT2H")


async def test_an_ended_session_keeps_what_was_typed_and_sends_nothing_by_itself(approval: Approval) -> None:
    browser, before = await browser_of(approval, DPO), await settings(approval)
    page = await review(browser, decision_window="9")
    form = form_to(page, "/settings")
    browser.http.cookies.clear()
    kept = await browser.send(form, step="save")
    assert kept.status_code == 401
    assert ("kept.decision_window", "9") in form_to(kept, "/sign-in").fields
    assert await settings(approval) == before


async def test_where_two_must_agree_a_weakening_waits_and_leads_to_its_change(approval: Approval) -> None:
    browser = await browser_of(approval, ADMIN)
    await require(approval, 2)
    try:
        page = await review(browser, approvals_required="1")
        assert "Yours is the first; the change waits for the others" in text_of(page)
        done = await browser.send(form_to(page, "/settings"), step="save")
        page = await browser.open(went(done, "/changes/"))
        assert "waits for further votes" in text_of(page)
        assert (await settings(approval))["approvals_required"] == 2
        assert "1 change waits for votes" in text_of(await browser.open("/settings"))
    finally:
        await require(approval, 1)
