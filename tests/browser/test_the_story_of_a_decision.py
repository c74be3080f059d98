"""An approver sees a request arrive, asks, is answered, and allows less than was asked for, signed by a passkey."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.windows import Windows, card, is_marked, mark, passkey
from tests.system import System


async def test_a_request_arrives_is_asked_about_answered_narrowed_and_approved_with_a_passkey(
    windows: Windows, system: System
) -> None:
    dana = await windows.of("dpo@contoso.example")
    await passkey(dana)
    await dana.goto("/requests")
    await mark(dana)

    request = await windows.asked(
        resources=[{"id": "exchange-online/mailboxes/alice", "operations": ["read", "write"]}], ticket="STORY-1"
    )
    await expect(card(dana, request)).to_be_visible()
    assert await is_marked(dana), "it arrived without a reload"

    await card(dana, request).click()
    eve = await windows.of("eve@provider.example")
    await eve.goto(f"/requests/{request}")
    await mark(eve)
    await dana.get_by_label("Your question").fill("Why do you need to change it?")
    await dana.get_by_role("button", name="Send the question").click()
    await expect(eve.get_by_text("Why do you need to change it?")).to_be_visible()
    assert await is_marked(eve)

    await mark(dana)
    await eve.get_by_role("textbox", name="Answer").fill("Reading is enough.")
    await eve.get_by_role("button", name="Send the answer").click()
    await expect(dana.get_by_text("Reading is enough.")).to_be_visible()
    await mark(eve)
    assert await is_marked(dana)

    await dana.get_by_text("Allow less than was asked for").click()
    await dana.get_by_label("For how long").select_option(index=1)
    await dana.get_by_role("checkbox", name="change").uncheck()
    await dana.get_by_label("Comment").fill("Reading only.")
    await dana.get_by_role("button", name="Approve with your passkey").click()
    await expect(dana.get_by_text("Approved, not used yet").first).to_be_visible()

    shown = await windows.shown(request)
    assert shown["state"] == "approved"
    assert shown["grant"]["resources"] == [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}]
    assert shown["decisions"][-1]["comment"] == "Reading only."
    assert shown["decisions"][-1]["duration"] != shown["duration"]
    await expect(eve.get_by_text("Approved, not used yet").first).to_be_visible()
    assert await is_marked(eve)
    ada = await windows.person("ada@provider.example")
    await ada.awaits("audit", request, "approved")
    events = (await ada.call("audit", "GET", f"/v1/requests/{request}")).json()["events"]
    [vote] = [event for event in events if event["type"] == "lockbox.request.vote_cast.v1"]
    assert vote["data"]["assertion"]["signature"]


async def test_a_denial_takes_a_comment_and_ends_the_request(windows: Windows) -> None:
    request = await windows.asked(ticket="DENY-1")
    dana = await windows.of("dpo@contoso.example")
    await dana.goto(f"/requests/{request}")
    await dana.get_by_role("button", name="Deny access", exact=True).click()
    await expect(dana.get_by_role("alert").first).to_be_visible()
    assert (await windows.shown(request))["state"] == "awaiting_customer"
    await dana.get_by_label("Comment").fill("No data without a case number.")
    await dana.get_by_role("button", name="Deny access", exact=True).click()
    await expect(dana.get_by_text("Denied", exact=True).first).to_be_visible()
    shown = await windows.shown(request)
    assert (shown["state"], shown["decisions"][-1]["comment"]) == ("denied", "No data without a case number.")


async def test_access_is_ended_at_once_from_the_list_of_what_is_in_force(windows: Windows) -> None:
    request = await windows.granted(ticket="REVOKE-1")
    dana = await windows.of("dpo@contoso.example")
    await dana.goto("/grants")
    row = dana.get_by_role("listitem").filter(has=card(dana, request))
    await row.get_by_text("End access now").click()
    await row.get_by_label("Reason").fill("The case is closed.")
    await row.get_by_role("button", name="End access").click()
    await expect(dana.get_by_role("status").first).to_be_visible()
    shown = await windows.shown(request)
    assert (shown["state"], shown["ended_by"]) == ("ended", "revoked")
    await dana.goto("/grants")
    await expect(card(dana, request)).to_have_count(0)


async def test_a_manager_passes_a_request_on_and_sees_it_arrive_live(windows: Windows) -> None:
    max_ = await windows.of("max@provider.example")
    await max_.goto("/requests")
    await mark(max_)
    request = await windows.asked(passed_on=False, ticket="PASS-1")
    await expect(card(max_, request)).to_be_visible()
    assert await is_marked(max_)
    await card(max_, request).click()
    await max_.get_by_role("button", name="Approve", exact=True).click()
    await expect(max_.get_by_text("Waiting for the customer").first).to_be_visible()
    assert (await windows.shown(request))["state"] == "awaiting_customer"
