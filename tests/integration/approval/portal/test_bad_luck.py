"""What goes wrong for people in the middle of a decision: one decision, a clear message, and what they wrote is not lost."""

from __future__ import annotations

import asyncio

from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import Approval, types

DPO, ADMIN = "dpo@contoso.example", "admin@contoso.example"


async def test_a_double_click_makes_one_decision(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/approve")
    answers = await asyncio.gather(*(browser.send(form, comment="Go on.") for _ in range(4)))
    assert {one.status_code for one in answers} == {303}
    assert types(await approval.published(request_id)).count("request.vote_cast") == 1


async def test_after_the_back_button_the_first_decision_stands_and_the_comment_is_kept(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/approve")
    assert (await browser.send(form, comment="Go on.")).status_code == 303
    again = await browser.send(form, comment="Something else.")
    assert again.status_code == 422
    assert "The first one counts" in text_of(again)
    denied = await browser.send(form, f"/requests/{request_id}/deny", comment="I have changed my mind.")
    assert denied.status_code == 409
    assert "already been decided" in text_of(denied)
    assert "I have changed my mind." in denied.text
    assert (await approval.shown(request_id))["state"] == "approved"


async def test_of_two_approvers_at_once_one_decides_and_the_other_is_told(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browsers = [await Browser(approval).as_(who) for who in (DPO, ADMIN)]
    path = f"/requests/{request_id}/approve"
    forms = [form_to(await one.open(f"/requests/{request_id}"), path) for one in browsers]
    answers = await asyncio.gather(
        *(
            one.send(form, comment=f"Mine {number}.")
            for number, (one, form) in enumerate(zip(browsers, forms, strict=True))
        )
    )
    assert sorted(one.status_code for one in answers) == [303, 409]
    (late,) = (one for one in answers if one.status_code == 409)
    assert "already been decided" in text_of(late)
    assert "Mine " in late.text


async def test_an_expired_session_keeps_what_was_typed_and_sends_nothing_by_itself(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    path = f"/requests/{request_id}/deny"
    form = form_to(await browser.open(f"/requests/{request_id}"), path)
    comment = 'Long "thoughts" </textarea><script>alert(1)</script>\nin two lines'
    await approval.pool.execute("UPDATE sessions SET ended_at = clock_timestamp() WHERE ended_at IS NULL")
    approval.tokens.clear()
    page = await browser.send(form, path, comment=comment)
    assert page.status_code == 401
    assert "Your session has ended" in text_of(page)
    assert "<script>alert" not in page.text
    sign_in = form_to(page, "/sign-in")
    wrong = await browser.send(sign_in, realm="contoso", email=DPO, password="wrong")
    assert wrong.status_code == 401
    back = await browser.send(
        form_to(wrong, "/sign-in"), realm="contoso", email=DPO, password="a-password-of-the-tests"
    )
    assert back.status_code == 200
    assert "nothing has been sent yet" in text_of(back)
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"
    again = form_to(back, path)
    assert again.value("comment") == comment
    assert (await browser.send(again, path)).status_code == 303
    assert (await approval.shown(request_id))["decisions"][-1]["comment"] == comment


async def test_who_has_signed_in_in_another_window_goes_on_with_what_was_typed(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    path = f"/requests/{request_id}/ask"
    form = form_to(await browser.open(f"/requests/{request_id}"), path)
    await approval.pool.execute("UPDATE sessions SET ended_at = clock_timestamp() WHERE ended_at IS NULL")
    approval.tokens.clear()
    kept = form_to(await browser.send(form, path, text="Why both?"), "/sign-in")
    too_early = await browser.send(kept, elsewhere="yes")
    assert "Why both?" in too_early.text
    await browser.as_(DPO)
    shown = await browser.send(kept, elsewhere="yes")
    assert "nothing has been sent yet" in text_of(shown)
    assert (await browser.send(form_to(shown, path))).status_code == 303
    assert (await approval.shown(request_id))["thread"][-1]["text"] == "Why both?"


async def test_an_approval_that_the_service_has_to_deny_is_told_as_that(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/approve")
    services = "UPDATE tenants SET settings = jsonb_set(settings, '{services}', $1::jsonb) WHERE tenant = 'contoso'"
    before = await approval.pool.fetchval("SELECT settings -> 'services' FROM tenants WHERE tenant = 'contoso'")
    await approval.pool.execute(services, '["sharepoint-online"]')
    try:
        done = await browser.send(form, comment="Go on.")
        assert done.headers["location"] == f"/requests/{request_id}?done=void", text_of(done)
        assert "the system denied this request" in text_of(await browser.open(done.headers["location"]))
    finally:
        await approval.pool.execute(services, before)
