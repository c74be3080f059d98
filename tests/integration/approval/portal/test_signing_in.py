"""Signing in and out through the portal, and what an ended session keeps."""

from __future__ import annotations

import pytest

from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import PASSWORD, Approval

DPO = "dpo@contoso.example"


async def test_a_person_signs_in_and_comes_to_where_the_link_led(approval: Approval) -> None:
    browser = Browser(approval)
    away = await browser.get("/requests?x=1")
    assert away.status_code == 303
    assert away.headers["location"] == "/sign-in?next=%2Frequests%3Fx%3D1"
    page = await browser.open(away.headers["location"])
    form = form_to(page, "/sign-in")
    done = await browser.send(form, realm="contoso", email=DPO, password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/requests?x=1")
    cookie = done.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    front = await browser.get("/")
    assert front.headers["location"] == "/requests"


async def test_a_wrong_password_is_refused_without_saying_what_was_wrong(approval: Approval) -> None:
    browser = Browser(approval)
    said = []
    for email in (DPO, "nobody@contoso.example"):
        form = form_to(await browser.open("/sign-in"), "/sign-in")
        page = await browser.send(form, realm="contoso", email=email, password="wrong")
        assert page.status_code == 401
        assert "wrong" not in form_to(page, "/sign-in").value("password")
        assert form_to(page, "/sign-in").value("email") == email
        said.append(text_of(page).replace(email, ""))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "away",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "evil",
        "",
    ],
)
async def test_a_sign_in_leads_to_no_other_site(approval: Approval, away: str) -> None:
    browser = Browser(approval)
    page = await browser.http.get("/sign-in", params={"next": away})
    form = form_to(page, "/sign-in")
    assert form.value("next") == "/"
    done = await browser.send(form, next=away, realm="contoso", email=DPO, password=PASSWORD)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    back = await browser.http.get("/language", params={"to": "de", "next": away})
    assert back.headers["location"] == "/"


async def test_signing_out_ends_the_session_everywhere(approval: Approval) -> None:
    browser = await Browser(approval).as_(DPO)
    page = await browser.open("/requests")
    gone = await browser.send(form_to(page, "/sign-out"))
    assert "You are signed out" in text_of(gone)
    assert (await browser.get("/requests")).status_code == 303
