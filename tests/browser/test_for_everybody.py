"""Without script, by keyboard alone, on a phone, and for those who use other senses than most."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect
from starlette.routing import Route

from services.approval.portal import ROUTERS
from tests.browser.places import NOT_LOOKED_AT, PAGES, make_places
from tests.browser.windows import PHONE, Windows, card

# Everything that axe knows once, and what another language and other colours can change of it.
ALL = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
COLOURS_AND_WORDS = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "html-has-lang", "html-lang-valid", "valid-lang"]}
}
MOST_TABS = 60

OPENED = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"


def test_every_page_is_looked_at() -> None:
    addresses = [one.partition("?")[0] for pages in PAGES.values() for one in pages]
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            if "GET" in (route.methods or ()) and route.path not in NOT_LOOKED_AT:
                assert any(route.path_regex.fullmatch(one) for one in addresses), f"{route.path} is in no list of pages"


async def window_of(windows: Windows, email: str, **how: object) -> Page:
    return await windows.of(email, **how) if email else await windows.blank(**how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "scheme", "rules"),
    [("en-GB", "light", ALL), ("de-DE", "dark", COLOURS_AND_WORDS)],
    ids=["light", "German and dark"],
)
async def test_axe_finds_nothing_on_any_page(
    windows: Windows, language: str, scheme: str, rules: dict[str, object]
) -> None:
    ids, axe = await make_places(windows), Axe()
    found: list[str] = []
    for email, addresses in PAGES.items():
        page = await window_of(windows, email, locale=language, color_scheme=scheme)
        for address in addresses:
            await page.goto(address.format(**ids))
            assert await page.locator("html").get_attribute("lang") == language[:2]
            await page.evaluate(OPENED)
            results = await axe.run(page, options={**rules, "resultTypes": ["violations"]})
            for one in results.response["violations"]:
                nodes = "; ".join(node["html"][:150] for node in one["nodes"][:3])
                found.append(f"{email} {address}: {one['id']}: {one['help']}: {nodes}")
        await page.context.close()
    assert not found, "\n".join(found)


async def test_on_a_phone_nothing_has_to_be_moved_sideways(windows: Windows) -> None:
    ids = await make_places(windows)
    found: list[str] = []
    for email, addresses in PAGES.items():
        page = await window_of(windows, email, viewport=PHONE, locale="de-DE")
        for address in addresses:
            await page.goto(address.format(**ids))
            await page.evaluate(OPENED)
            width = await page.evaluate("document.documentElement.scrollWidth")
            if width > PHONE["width"]:
                found.append(f"{email} {address}: {width}")
        await page.context.close()
    assert not found, "\n".join(found)


async def test_without_script_everything_but_news_works(windows: Windows) -> None:
    first, second = await windows.asked(ticket="PLAIN-1"), await windows.asked(ticket="PLAIN-2")
    dana = await windows.of("dpo@contoso.example", java_script_enabled=False)
    await card(dana, first).click()
    await dana.get_by_label("Your question").fill("Why?")
    await dana.get_by_role("button", name="Send the question").click()
    await expect(dana.locator("#thread-region")).to_contain_text("Why?")
    await dana.get_by_text("Allow less than was asked for").click()
    await dana.get_by_label("For how long").select_option(index=1)
    await dana.get_by_role("button", name="Approve access", exact=True).click()
    await expect(dana.get_by_text("Approved, not used yet").first).to_be_visible()
    await dana.goto(f"/requests/{second}")
    await dana.get_by_label("Comment").fill("No.")
    await dana.get_by_role("button", name="Deny access", exact=True).click()
    await expect(dana.get_by_text("Denied", exact=True).first).to_be_visible()
    decided = await windows.shown(first)
    assert (decided["state"], decided["thread"][0]["text"]) == ("approved", "Why?")
    assert decided["decisions"][-1]["duration"] != decided["duration"]


async def to(page: Page, wanted: str) -> None:
    """Go on with the tabulator until the element is in focus, and see that the focus can be seen."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            outline = await page.evaluate(
                "(() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.boxShadow]; })()"
            )
            assert outline[0] != "none" or outline[1] != "none", f"the focus on {wanted} cannot be seen"
            return
    raise AssertionError(f"{wanted} is not reached by the tabulator")


async def test_by_keyboard_alone_one_signs_in_and_decides(windows: Windows) -> None:
    request = await windows.asked(ticket="KEYS-1")
    page = await windows.blank()
    await page.goto("/sign-in")
    for field, words in (
        ("#realm", "contoso"),
        ("#email", "dpo@contoso.example"),
        ("#password", "correct horse battery staple"),
    ):
        if not await page.evaluate("(wanted) => document.activeElement.matches(wanted)", field):
            await to(page, field)
        await page.keyboard.type(words)
    await page.keyboard.press("Enter")
    await expect(card(page, request)).to_be_visible()
    # The first stop of every page leads past what is the same on all of them.
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.matches('a.skip')")
    await page.keyboard.press("Enter")
    await to(page, f'a[href="/requests/{request}"]')
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Comment")).to_be_visible()
    await to(page, "#comment")
    await page.keyboard.type("By keyboard.")
    await to(page, "button[data-sends=approve]")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Approved, not used yet").first).to_be_visible()
