"""The other end of a one-time link, and the way back with a recovery code: no store, no trace, and plain words when it fails."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.integration.approval.portal.administration import ADMIN, NEW_PASSWORD, browser_of, mailed_link, went
from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import Approval


async def invited(approval: Approval, email: str, *roles: str) -> str:
    body = {"email": email, "name": "Ines Invited", "roles": list(roles)}
    answer = await approval.call(ADMIN, "POST", "/v1/tenants/contoso/members", body)
    assert answer.status_code == 201, answer.text
    return await mailed_link(approval, email)


def untold(page: httpx.Response) -> None:
    """Check that a page with a link's token in its address is kept nowhere and tells no other page of it."""
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "strict-origin"


async def set_up(approval: Approval, link: str) -> httpx.Response:
    browser = Browser(approval)
    page = await browser.open(link)
    untold(page)
    done = await browser.send(form_to(page, "/setup"), password=[NEW_PASSWORD, NEW_PASSWORD])
    untold(done)
    return done


async def test_a_new_administrator_sets_a_password_prints_codes_and_comes_back_with_one(approval: Approval) -> None:
    email = "second@contoso.example"
    done = await set_up(approval, await invited(approval, email, "global_admin"))
    assert "Print this page now" in text_of(done)
    codes = re.findall(r'<li class="code">([0-9A-Z-]+)</li>', done.text)
    assert len(codes) == 10

    browser = Browser(approval)
    form = form_to(await browser.open("/recover"), "/recover")
    wrong = await browser.send(
        form, realm="contoso", email=email, code="AAAA-AAAA-AAAA-AAAA", password=["x" * 20 + "yz"] * 2
    )
    assert wrong.status_code == 401
    assert form_to(wrong, "/recover").value("email") == email
    other = "nine purple elephants on a bus"
    given: dict[str, Any] = {"realm": "contoso", "email": email, "code": codes[0].lower(), "password": [other, other]}
    assert "Your password is set" in text_of(await browser.send(form, **given))
    assert (await browser.send(form, **given)).status_code == 401
    form = form_to(await browser.open("/sign-in"), "/sign-in")
    went(await browser.send(form, realm="contoso", email=email, password=other), "/")


async def test_who_has_no_codes_to_print_is_led_to_the_sign_in(approval: Approval) -> None:
    done = await set_up(approval, await invited(approval, "plain@contoso.example"))
    assert "Your password is set" in text_of(done)
    assert "Print this page" not in text_of(done)
    assert 'href="/sign-in?realm=contoso"' in done.text


async def test_a_used_link_says_so_and_what_to_do(approval: Approval) -> None:
    link = await invited(approval, "once@contoso.example")
    browser = Browser(approval)
    form = form_to(await browser.open(link), "/setup")
    assert (await browser.send(form, password=[NEW_PASSWORD, NEW_PASSWORD])).status_code == 200
    again = await browser.send(form, password=[NEW_PASSWORD, NEW_PASSWORD])
    assert again.status_code == 422
    for said in ("It was used already, it is too old, or a newer one was sent", "Ask an administrator", "/recover"):
        assert said in again.text
    assert "This link does not count" in text_of(await browser.open("/setup"))


@pytest.mark.parametrize(
    ("passwords", "said"),
    [(["one", "one"], "password-error"), ([NEW_PASSWORD, "another"], "not the same"), (["password1234"] * 2, "password-error"),
     ([NEW_PASSWORD], "not the same"), (["", ""], "password-error")],
)  # fmt: skip
async def test_a_refused_password_leaves_the_link_good_and_is_not_shown_again(
    approval: Approval, passwords: list[str], said: str
) -> None:
    email = f"p{abs(hash((tuple(passwords), said))) % 10**8}@contoso.example"
    link = await invited(approval, email)
    browser = Browser(approval)
    page = await browser.send(form_to(await browser.open(link), "/setup"), password=passwords)
    assert page.status_code == 422
    assert said in page.text
    untold(page)
    assert not any(f'value="{password}"' in page.text for password in passwords if password)
    done = await browser.send(form_to(page, "/setup"), password=[NEW_PASSWORD, NEW_PASSWORD])
    assert done.status_code == 200


async def test_a_hostile_token_does_nothing(approval: Approval) -> None:
    browser = Browser(approval)
    page = await browser.http.get("/setup", params={"token": '"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text
    done = await browser.send(form_to(page, "/setup"), password=[NEW_PASSWORD, NEW_PASSWORD])
    assert done.status_code == 422
    long = await browser.http.get("/setup", params={"token": "x" * 5000})
    assert (await browser.send(form_to(long, "/setup"), password=[NEW_PASSWORD, NEW_PASSWORD])).status_code == 422


async def test_another_site_cannot_send_the_form(approval: Approval) -> None:
    link = await invited(approval, "forged@contoso.example")
    browser = Browser(approval)
    form = form_to(await browser.open(link), "/setup")
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused = await browser.send(form, headers=foreign, password=[NEW_PASSWORD, NEW_PASSWORD])
    assert refused.status_code == 403
    stranger = Browser(approval)
    assert (await stranger.send(form, password=[NEW_PASSWORD, NEW_PASSWORD])).status_code == 403


async def test_it_is_nobodys_page_in_particular_so_that_somebody_signed_in_may_open_it_too(approval: Approval) -> None:
    link = await invited(approval, "shared@contoso.example")
    admin = await browser_of(approval, ADMIN)
    done = await admin.send(form_to(await admin.open(link), "/setup"), password=[NEW_PASSWORD, NEW_PASSWORD])
    assert "shared@contoso.example" in text_of(done)
