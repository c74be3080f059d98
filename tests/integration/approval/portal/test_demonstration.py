"""A demonstration says on every page that it is one."""

from __future__ import annotations

from dataclasses import replace

from tests.integration.approval.portal.browsing import Browser, text_of
from tests.integration.approval.system import Approval


async def test_every_page_of_a_demonstration_says_so_and_no_other(approval: Approval) -> None:
    request_id = await approval.passed_on()
    stranger, browser = Browser(approval), await Browser(approval).as_("dpo@contoso.example")
    parts = approval.app.state.parts
    for demo in (True, False):
        settings = approval.settings.model_copy(update={"demo": demo})
        approval.app.state.parts = replace(parts, settings=settings)
        try:
            pages = [
                await stranger.get("/sign-in"),
                await stranger.get("/setup?token=x"),
                await stranger.get("/recover"),
            ]
            paths = ("/requests", f"/requests/{request_id}", "/grants", "/history", "/members", "/settings", "/account")
            pages += [await browser.get(path) for path in (*paths, "/requests/nonsense")]
        finally:
            approval.app.state.parts = parts
        for page in pages:
            assert ("This is a demonstration" in text_of(page)) == demo, page.url
