"""Windows of a browser, each somebody's: what people see and do in the portal, in the words that stand on its pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.system import DEMO_PASSWORD, Person, System, asks

PATIENCE_MS = 15_000
PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=900)

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Windows:
    browser: Browser
    system: System
    _contexts: list[BrowserContext] = field(default_factory=list)
    _people: dict[str, Person] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.system.environments["approval"]["LOCKBOX_PORTAL_URL"]

    async def blank(self, **how: Any) -> Page:
        """Open a window with a profile of its own. `how` goes to the browser: viewport, locale, color_scheme..."""
        context = await self.browser.new_context(
            **{"base_url": self.address, "locale": "en-GB", "viewport": DESKTOP, "reduced_motion": "reduce"} | how
        )
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        page = await context.new_page()
        # A page that loads from elsewhere, or whose own script or style is refused by its policy, has a fault.
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if "Content Security" in said.text else None)
        return page

    async def of(self, email: str, *, password: str = DEMO_PASSWORD, **how: Any) -> Page:
        """Open a window in which somebody has signed in by hand."""
        page = await self.blank(**how)
        await page.goto("/sign-in")
        await sign_in(page, email, password)
        await expect(page.locator(".person")).to_be_visible()
        return page

    async def person(self, email: str) -> Person:
        """Give somebody who calls the API beside the windows."""
        if email not in self._people:
            self._people[email] = await self.system.person(email)
        return self._people[email]

    async def asked(self, tenant: str = "contoso", *, passed_on: bool = True, **changes: Any) -> str:
        """Have Eve ask, and the provider's manager pass it on; give the request's id once approval knows of it."""
        eve, manager = await self.person("eve@provider.example"), await self.person("max@provider.example")
        made = await eve.does("request_api", "POST", "/v1/requests", asks(tenant, **changes))
        await manager.awaits("approval", made["id"], "awaiting_provider")
        if passed_on:
            await manager.does("approval", "POST", f"/v1/requests/{made['id']}/provider-approve", {"comment": "ok"})
        return str(made["id"])

    async def granted(self, tenant: str = "contoso", **changes: Any) -> str:
        request = await self.asked(tenant, **changes)
        approver = await self.person(f"dpo@{tenant}.example")
        await approver.does("approval", "POST", f"/v1/requests/{request}/approve", {})
        return request

    async def requests(self) -> dict[str, str]:
        """Have a request of each kind that pages are about: for_provider, waiting (asked about) and granted."""
        detail = "A court has ordered the preservation of this mailbox. " * 6
        waiting = await self.asked(ticket="CASE-2211", reason={"category": "legal_demand", "detail": detail.strip()})
        approver = await self.person("dpo@contoso.example")
        await approver.does("approval", "POST", f"/v1/requests/{waiting}/questions", {"text": "Which court is it?"})
        return {
            "waiting": waiting,
            "granted": await self.granted(ticket="CASE-2187"),
            "for_provider": await self.asked(passed_on=False, ticket="CASE-2240"),
        }

    async def shown(self, request: str) -> dict[str, Any]:
        manager = await self.person("max@provider.example")
        answer: dict[str, Any] = (await manager.call("approval", "GET", f"/v1/requests/{request}")).json()
        return answer

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()
        for person in self._people.values():
            await person.close()
        assert not self.faults


async def sign_in(page: Page, email: str, password: str = DEMO_PASSWORD) -> None:
    """Fill the sign-in form of a page that shows it, in whatever language, and send it."""
    await page.locator("#realm").fill(email.partition("@")[2].removesuffix(".example"))
    await page.locator("#email").fill(email)
    await page.locator("#password").fill(password)
    await page.locator("form.form button[type=submit]").first.click()


async def passkey(page: Page, password: str = DEMO_PASSWORD, name: str = "Office laptop") -> None:
    """Give the window's device a key store (a virtual one), and register a passkey in the account."""
    devices = await page.context.new_cdp_session(page)
    await devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    await devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    await page.goto("/account/passkey")
    await page.get_by_label("A name for it").fill(name)
    await page.get_by_label("Your password").fill(password)
    await page.get_by_role("button", name="Go on").click()
    await page.get_by_role("button", name="Register this passkey").click()
    await expect(page.get_by_role("rowheader", name=name)).to_be_visible()


async def mark(page: Page) -> None:
    """Leave a mark in the page that a reload would lose."""
    await page.evaluate("window.notReloaded = true")


async def is_marked(page: Page) -> bool:
    return bool(await page.evaluate("window.notReloaded === true"))


def card(page: Page, request: str) -> Any:
    """Find a request in a list."""
    return page.locator(f'a[href="/requests/{request}"]').first
