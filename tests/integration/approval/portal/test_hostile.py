"""What the portal refuses, and how it shows what others wrote with ill intent."""

from __future__ import annotations

import re

import httpx
import pytest

from services.approval.portal.cookies import SESSION
from shared.events.values import Engineer, Reason, Resource
from tests.integration.approval.portal.browsing import ORIGIN, Browser, form_to, forms_of, text_of
from tests.integration.approval.system import Approval

DPO, ADMIN, EVE, MAX = "dpo@contoso.example", "admin@contoso.example", "eve@provider.example", "max@provider.example"
HOSTILE = '<script>alert("x")</script>{{7*7}}{% raw %}"\' onmouseover=alert(1) \u202e\u2066gnp.exe %(num)s'


async def test_a_form_that_was_not_made_for_this_session_is_refused(approval: Approval) -> None:
    request_id = await approval.passed_on()
    mine, other = await Browser(approval).as_(DPO), await Browser(approval).as_(ADMIN)
    path = f"/requests/{request_id}/approve"
    form = form_to(await mine.open(f"/requests/{request_id}"), path)
    visitor = form_to(await Browser(approval).open("/sign-in"), "/sign-in").value("csrf")
    for token in ("", "x", "ü", visitor, form_to(await other.open("/requests"), "/sign-out").value("csrf")):
        refused = await mine.send(form, csrf=token)
        assert refused.status_code == 403
        assert "not sent from a page of this portal" in text_of(refused)
    assert (await mine.send(form, csrf=None)).status_code == 403
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://approval.evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_form_from_another_site_is_refused(approval: Approval, headers: dict[str, str]) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/approve")
    assert (await browser.send(form, headers=headers)).status_code == 403
    sign_out = await browser.send(form_to(await browser.open("/requests"), "/sign-out"), headers=headers)
    assert sign_out.status_code == 403
    stranger = Browser(approval)
    sign_in = form_to(await stranger.open("/sign-in"), "/sign-in")
    refused = await stranger.send(
        sign_in, headers=headers, realm="contoso", email=DPO, password="a-password-of-the-tests"
    )
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers or SESSION not in refused.headers["set-cookie"]
    # A session that has ended is no way around it: nothing of a foreign form is kept.
    planted = await stranger.post(f"/requests/{request_id}/deny", [("comment", "Planted.")], headers=headers)
    assert planted.status_code == 403
    assert "Planted." not in planted.text
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"


async def test_a_program_without_these_headers_still_needs_the_forms_token(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/approve")
    assert (await browser.send(form, headers={}, csrf="guess")).status_code == 403
    assert (await browser.send(form, headers={})).status_code == 303


async def test_every_page_has_its_protecting_headers(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser, stranger = await Browser(approval).as_(DPO), Browser(approval)
    pages = [
        await stranger.get("/"),
        await stranger.get("/sign-in"),
        await stranger.get("/language?to=de"),
        await stranger.get(f"/requests/{request_id}"),
        await stranger.post("/requests/nonsense/approve", []),
        await browser.get("/requests"),
        await browser.get(f"/requests/{request_id}"),
        await browser.get("/requests/nonsense"),
        await browser.get("/grants"),
        await browser.get("/history"),
        await browser.post(f"/requests/{request_id}/approve", []),
    ]
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        for part in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "connect-src 'self'"):
            assert part in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert "<style" not in page.text
        assert not re.search(r'\s(style|on\w+)="', page.text)
        assert not re.search(r'(src|href|action)="(?!/|#)', page.text)
    asset = re.search(r"/static/portal\.js\?v=[0-9a-f]+", pages[1].text)
    assert asset is not None
    script = await stranger.get(asset[0])
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    for path in ("/static/../app.py", "/static/%2e%2e%2fapp.py", "/static/nothing.css"):
        assert (await stranger.get(path)).status_code == 404


async def test_hostile_texts_are_shown_harmlessly(approval: Approval) -> None:
    eve = await approval.member(EVE)
    engineer = Engineer(
        id=eve.id, email=eve.email, name=HOSTILE, employer=HOSTILE, job_title=HOSTILE + "x" * 3000, country=HOSTILE
    )
    request_id = await approval.passed_on(
        engineer=engineer,
        ticket=HOSTILE,
        reason=Reason(category="customer_support", detail=HOSTILE + "\n" + "long" * 900),
        resources=[Resource(id="exchange-online/mailboxes/alice", operations=["read", "x" * 60])],
    )
    await approval.done(DPO, f"/v1/requests/{request_id}/questions", {"text": HOSTILE})
    for who, paths in (
        (DPO, ("/requests", f"/requests/{request_id}", "/history")),
        (MAX, ("/requests", f"/requests/{request_id}")),
        (EVE, ("/requests",)),
    ):
        browser = await Browser(approval).as_(who)
        for path in paths:
            page = await browser.open(path)
            assert page.text.count("<script") == 1
            assert "\u202e" not in page.text
            assert "\u2066" not in page.text
            assert not re.search(r"<[^>]*\sonmouseover", page.text)
            assert "{{7*7}}" in text_of(page)
    await approval.done(DPO, f"/v1/requests/{request_id}/deny", {"comment": HOSTILE})
    page = await (await Browser(approval).as_(DPO)).open(f"/requests/{request_id}")
    assert "[U+202E]" in page.text
    assert page.text.count("<script") == 1


async def test_bodies_that_are_no_forms_are_refused(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    path = f"/requests/{request_id}/approve"
    same = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    kind = "application/x-www-form-urlencoded"
    json = await browser.http.post(path, json={"comment": "x"}, headers=same)
    assert json.status_code == 415
    for body, status in ((b"comment=%ff", 422), (b"comment=%00", 422), (b"\xff=1", 422), (b"a=" + b"x" * 70_000, 413)):
        refused = await browser.http.post(path, content=body, headers={**same, "Content-Type": kind})
        assert refused.status_code == status, (body[:20], refused.text)
        # What announces itself as too long is refused before any page is known.
        kinds = {"text/html; charset=utf-8"} if status != 413 else {"application/problem+json"}
        assert refused.headers["content-type"] in kinds
    many = "&".join(f"f{number}=1" for number in range(4500)).encode()
    assert (await browser.http.post(path, content=many, headers={**same, "Content-Type": kind})).status_code == 422
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"


async def test_addresses_that_are_none_are_pages_too(approval: Approval) -> None:
    browser = await Browser(approval).as_(DPO)
    for path in ("/requests/1", "/requests/%3Cscript%3E", "/?request=nonsense", "/grants?x=1", "/language?to=xx"):
        page = await browser.get(path)
        assert page.status_code in {200, 303, 404}
        assert "<script>" not in page.text
    assert (await browser.get("/requests?cursor=nonsense")).status_code == 422


async def test_the_form_of_a_code_holds_the_password_sealed(approval: Approval) -> None:
    """Whoever reads the page of the code, or takes its field to another browser, gets nowhere with it."""
    browser = Browser(approval)
    form = form_to(await browser.open("/sign-in"), "/sign-in")
    for sealed in ("nonsense", "", "gAAAA"):
        pairs = [(name, value) for name, value in form.fields if name in {"csrf", "next"}]
        answer = await browser.post("/sign-in", [*pairs, ("sealed", sealed), ("code", "123456")])
        assert answer.status_code in {401, 422}
        assert isinstance(answer, httpx.Response)
        assert forms_of(answer)


async def test_the_next_page_of_a_list_is_no_way_out(approval: Approval) -> None:
    browser = await Browser(approval).as_(DPO)
    page = await browser.open("/history?q=%22%3E%3Ca%20href%3D//evil.example%3E")
    assert 'href="//evil' not in page.text
    assert "href=//evil" not in page.text.replace("&lt;a href=//evil", "")


async def test_a_link_tells_nobody_a_decision_that_never_was(approval: Approval) -> None:
    request_id = await approval.passed_on()
    for who, claims in (
        (DPO, ("approve", "deny", "revoke", "ask", "void", "answer", "x")),
        (MAX, ("provider-deny", "revoke")),
    ):
        browser = await Browser(approval).as_(who)
        for claim in claims:
            page = await browser.open(f"/requests/{request_id}?done={claim}")
            assert 'class="notice"' not in page.text, claim
