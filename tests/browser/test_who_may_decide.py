"""An approver is added by a one-time link; one who loses the role in one window is refused in the other."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.windows import Windows, card, sign_in
from tests.integration.notifier.catching import Catcher
from tests.kernel import until

PASSWORD = "a sentence that nobody else has typed"


async def link_for(mail: Catcher, email: str, *, path: str) -> str:
    """Wait for the mail with the one-time link; give the link."""

    async def arrived() -> bool:
        return any(path in one.text for one in mail.to(email))

    await until(arrived, seconds=20)
    [found] = [one for one in mail.to(email) if path in one.text][-1:]
    match = re.search(rf"http://\S+{re.escape(path)}\S+", found.text)
    assert match is not None
    return match.group()


async def test_an_approver_is_added_by_a_link_and_decides(windows: Windows, mail: Catcher) -> None:
    email = "nina@contoso.example"
    admin = await windows.of("admin@contoso.example")
    await admin.goto("/members/add")
    await admin.get_by_label("E-mail address").fill(email)
    await admin.get_by_label("Name", exact=True).fill("Nina Novak")
    await admin.locator('input[name=roles][value="lockbox_approver"]').check()
    await admin.get_by_role("button", name="Add and send the link").click()
    await expect(admin.get_by_role("status").first).to_be_visible()

    nina = await windows.blank()
    link = await link_for(mail, email, path="/setup")
    await nina.goto(link)
    await nina.get_by_label("New password", exact=True).fill(PASSWORD)
    await nina.get_by_label("New password once more").fill(PASSWORD)
    await nina.get_by_role("button", name="Set the password").click()
    await expect(nina.get_by_role("heading", name="Your password is set")).to_be_visible()
    await nina.get_by_role("main").get_by_role("link", name="Sign in").click()
    await sign_in(nina, email, PASSWORD)
    request = await windows.asked(ticket="NINA-1")
    await card(nina, request).click()
    await nina.get_by_role("button", name="Approve access", exact=True).click()
    await expect(nina.get_by_text("Approved, not used yet").first).to_be_visible()
    assert (await windows.shown(request))["decisions"][-1]["by"]["email"] == email

    again = await windows.blank()
    await again.goto(link)
    await again.get_by_label("New password", exact=True).fill(PASSWORD)
    await again.get_by_label("New password once more").fill(PASSWORD)
    await again.get_by_role("button", name="Set the password").click()
    await expect(again.get_by_text("This link does not count")).to_be_visible()


async def test_who_loses_the_role_in_one_window_is_refused_in_the_other(windows: Windows, mail: Catcher) -> None:
    email = "otis@contoso.example"
    boss = await windows.person("admin@contoso.example")
    body = {"email": email, "name": "Otis Olsen", "roles": ["lockbox_approver", "auditor"]}
    await boss.does("approval", "POST", "/v1/tenants/contoso/members", body)
    otis = await windows.blank()
    await otis.goto(await link_for(mail, email, path="/setup"))
    await otis.get_by_label("New password", exact=True).fill(PASSWORD)
    await otis.get_by_label("New password once more").fill(PASSWORD)
    await otis.get_by_role("button", name="Set the password").click()
    await otis.get_by_role("main").get_by_role("link", name="Sign in").click()
    await sign_in(otis, email, PASSWORD)
    request = await windows.asked(ticket="OTIS-1")
    await card(otis, request).click()
    await otis.get_by_label("Comment").fill("I still think that I may.")

    admin = await windows.of("admin@contoso.example")
    await admin.goto(f"/members/{email}/roles/lockbox_approver/take")
    await admin.locator("main form button[type=submit]").first.click()
    await expect(admin.get_by_role("status").first).to_be_visible()

    await otis.get_by_role("button", name="Approve access", exact=True).click()
    await expect(otis.get_by_role("alert").first).to_be_visible()
    shown = await windows.shown(request)
    assert (shown["state"], len(shown["decisions"])) == ("awaiting_customer", 1)
