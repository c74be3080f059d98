"""Takes the pictures of the main pages that stand in `docs/screenshots/`; collected for `make screenshots` alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.windows import PHONE, Windows


async def test_pictures_of_the_main_pages(windows: Windows, pytestconfig: pytest.Config) -> None:
    folder: Path = pytestconfig.getoption("--screenshots")
    ids = await windows.requests()
    for name, email, address, how in (
        ("requests", "dpo@contoso.example", "/requests", {}),
        ("request", "dpo@contoso.example", "/requests/{waiting}", {}),
        ("request-dark", "dpo@contoso.example", "/requests/{waiting}", {"color_scheme": "dark"}),
        ("request-phone", "dpo@contoso.example", "/requests/{waiting}", {"viewport": PHONE}),
        ("members", "admin@contoso.example", "/members", {}),
        ("settings", "admin@contoso.example", "/settings", {}),
    ):
        page = await windows.of(email, **how)
        await page.goto(address.format(**ids))
        await page.screenshot(path=folder / f"{name}.png", full_page="viewport" not in how)
        await page.context.close()
