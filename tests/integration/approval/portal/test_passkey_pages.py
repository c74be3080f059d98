"""Registering a passkey on the pages of one's own account: the device's answer comes with a form, as the script sends it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.approval.portal.templating import STATIC
from tests.authenticator import Authenticator
from tests.integration.approval.portal.administration import DPO, HELPDESK, browser_of, went
from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import PASSWORD, Approval, approval_on
from tests.servers import Databases, PostgresServer

PORTAL, SITE = "http://localhost:8001", "localhost"


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    """The portal at an address with a name: passkeys are bound to it."""
    databases = Databases(postgres.url)
    try:
        folder: Path = tmp_path_factory.mktemp("approval")
        async with approval_on(await databases("approval"), folder, differing={"portal_url": PORTAL}) as made:
            yield made
    finally:
        await databases.drop()


async def begun(browser: Browser, name: str = "Office laptop") -> httpx.Response:
    form = form_to(await browser.open("/account/passkey"), "/account/passkey")
    page = await browser.send(form, name=name, password=PASSWORD)
    assert page.status_code == 200, text_of(page)
    return page


def asked(page: httpx.Response) -> dict[str, Any]:
    """Give what the page's script asks the device for."""
    found = re.search(r'data-register-passkey="([^"]*)"', page.text)
    assert found is not None
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


async def test_a_passkey_is_registered_shown_by_its_name_and_removed(approval: Approval) -> None:
    browser = await browser_of(approval, DPO)
    page = await begun(browser, "<b>My laptop</b>")
    assert PASSWORD not in page.text
    assert "<b>My laptop" not in page.text
    credential = Authenticator(PORTAL, SITE).create(asked(page))
    form = form_to(page, "/account/passkey/add")
    page = await browser.open(
        went(await browser.send(form, credential=json.dumps(credential)), "/account?done=passkey")
    )
    assert "Passkey <b>My laptop</b>" in text_of(page)
    assert "<b>My laptop" not in page.text
    # A double click registers one.
    went(await browser.send(form, credential=json.dumps(credential)), "/account?done=passkey")
    [link] = re.findall(r'href="(/account/factors/[^"]+)"', (await browser.open("/account")).text)
    form = form_to(await browser.open(link), link)
    assert (await browser.send(form, password="wrong")).status_code == 422
    went(await browser.send(form, password=PASSWORD), "/account?done=factor")
    assert (await browser.get(link)).status_code == 404


async def test_a_password_is_asked_for_and_a_name(approval: Approval) -> None:
    browser = await browser_of(approval, HELPDESK)
    form = form_to(await browser.open("/account/passkey"), "/account/passkey")
    page = await browser.send(form, name="Phone", password="wrong")
    assert page.status_code == 422
    assert "This is not your password" in text_of(page)
    assert form_to(page, "/account/passkey").value("name") == "Phone"
    page = await browser.send(form, name=" ", password=PASSWORD)
    assert 'id="name-error"' in page.text


@pytest.mark.parametrize(
    "sent", ["", "no JSON", "{}", "[]", "null", '{"id": "a"}', "[" * 10_000, '{"id": NaN}', "1e999"]
)
async def test_what_no_device_gave_is_refused(approval: Approval, sent: str) -> None:
    browser = await browser_of(approval, HELPDESK)
    form = form_to(await begun(browser), "/account/passkey/add")
    assert (await browser.send(form, credential=sent)).status_code == 422
    assert "You have none" in text_of(await browser.open("/account"))


async def test_what_was_made_for_another_site_or_another_registration_is_refused(approval: Approval) -> None:
    browser = await browser_of(approval, HELPDESK)
    page = await begun(browser)
    stolen = Authenticator("https://evil.example", "evil.example").create(asked(page))
    refused = await browser.send(form_to(page, "/account/passkey/add"), credential=json.dumps(stolen))
    assert refused.status_code == 422
    first = await begun(browser)
    second = await begun(browser)
    old = Authenticator(PORTAL, SITE).create(asked(first))
    refused = await browser.send(form_to(second, "/account/passkey/add"), credential=json.dumps(old))
    assert refused.status_code == 422
    assert "begin again" in text_of(refused)


async def test_the_script_is_a_file_of_ours_and_the_page_says_what_to_do_without_one(approval: Approval) -> None:
    browser = await browser_of(approval, HELPDESK)
    page = await begun(browser)
    assert "A passkey cannot be registered without JavaScript" in text_of(page)
    source = re.search(r'<script src="(/static/account.js[^"]*)"', page.text)
    assert source is not None
    script = await browser.get(html.unescape(source[1]))
    assert script.content == (STATIC / "account.js").read_bytes()
