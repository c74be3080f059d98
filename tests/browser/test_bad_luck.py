"""A double click, the back button, two at once, a session that ends in mid-form: one decision, and no word lost."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page, expect

from tests.browser.windows import Windows, sign_in
from tests.system import System


async def form_of(windows: Windows, email: str, request: str, comment: str) -> Page:
    page = await windows.of(email)
    await page.goto(f"/requests/{request}")
    await page.get_by_label("Comment").fill(comment)
    return page


async def decisions(windows: Windows, request: str) -> list[dict[str, Any]]:
    return [one for one in (await windows.shown(request))["decisions"] if one["stage"] == "customer"]


async def test_a_double_click_is_one_decision_and_no_refusal(windows: Windows) -> None:
    request = await windows.asked(ticket="DOUBLE-1")
    dana = await form_of(windows, "dpo@contoso.example", request, "Once.")
    await dana.get_by_role("button", name="Approve access", exact=True).dblclick()
    await expect(dana.get_by_text("Approved, not used yet").first).to_be_visible()
    await expect(dana.get_by_role("alert").filter(visible=True)).to_have_count(0)
    assert len(await decisions(windows, request)) == 1


async def test_after_the_back_button_a_second_decision_is_refused_in_clear_words(windows: Windows) -> None:
    request = await windows.asked(ticket="BACK-1")
    dana = await form_of(windows, "dpo@contoso.example", request, "Go ahead.")
    await dana.get_by_role("button", name="Approve access", exact=True).click()
    await expect(dana.get_by_text("Approved, not used yet").first).to_be_visible()
    await dana.go_back()
    deny = dana.get_by_role("button", name="Deny access", exact=True)
    if await deny.count():
        await dana.get_by_label("Comment").fill("No, after all.")
        await deny.click()
        await expect(dana.get_by_role("alert").filter(visible=True).first).to_be_visible()
    await expect(dana.get_by_text("Approved, not used yet").first).to_be_visible()
    assert [one["decision"] for one in await decisions(windows, request)] == ["approved"]


async def test_of_two_approvers_at_once_the_second_is_told_and_keeps_the_comment(windows: Windows) -> None:
    request = await windows.asked(ticket="TWO-1")
    # Script would take the form away the moment the other one has decided.
    dana = await form_of(windows, "dpo@contoso.example", request, "Fine with me.")
    admin = await form_of(windows, "admin@contoso.example", request, "I object: no case number.")
    await dana.get_by_role("button", name="Approve access", exact=True).click()
    await expect(dana.get_by_text("Approved, not used yet").first).to_be_visible()
    await admin.get_by_role("button", name="Deny access", exact=True).click()
    await expect(admin.get_by_role("alert").filter(visible=True).first).to_be_visible()
    await expect(admin.locator("main")).to_contain_text("I object: no case number.")
    assert [one["decision"] for one in await decisions(windows, request)] == ["approved"]


async def test_a_session_that_ends_in_mid_form_loses_no_word(windows: Windows, system: System) -> None:
    request = await windows.asked(ticket="SESSION-1")
    words = "A long thought,\nof two lines – and “quotes” & <tags>."
    dana = await form_of(windows, "dpo@contoso.example", request, words)
    other = await system.person("dpo@contoso.example")
    try:
        sessions = (await other.call("approval", "GET", "/v1/me/sessions")).json()["items"]
        for session in sessions:
            if not session["current"]:
                await other.call("approval", "DELETE", f"/v1/me/sessions/{session['id']}")
    finally:
        await other.close()
    await dana.get_by_role("button", name="Approve access", exact=True).click()
    await expect(dana.get_by_text("Your session has ended")).to_be_visible()
    await sign_in(dana, "dpo@contoso.example")
    await expect(dana.get_by_label("Comment")).to_have_value(words)
    assert await decisions(windows, request) == []
    await dana.get_by_role("button", name="Approve access", exact=True).click()
    await expect(dana.get_by_text("Approved, not used yet").first).to_be_visible()
    [decision] = await decisions(windows, request)
    assert decision["comment"] == words
