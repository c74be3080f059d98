"""Whatever is sent to the forms of the administration, the answer is a page that says what is wrong, and nothing is done."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote_plus

import pytest

from tests.integration.approval.portal.administration import ADMIN, AUDITOR, OTTO, browser_of
from tests.integration.approval.portal.browsing import ORIGIN, Browser, form_to
from tests.integration.approval.system import Approval

NOTHING: Final = "01a21000-0000-7000-8000-000000000000"
FORMS: Final = {
    "/members/add": ("email", "name", "roles", "employer", "job_title", "country"),
    "/members/nobody@contoso.example/reset": (),
    "/members/user@contoso.example/%FF": (),
    f"/members/{'x' * 3000}/remove": (),
    "/members/user@contoso.example/roles/%2e%2e/give": (),
    "/settings": ("step", "version", "decision_window", "decision_window_unit", "approvals_required", "services.x", "notify",
                  "second_factor", "reminders.0.left", "reminders.0.unit", "reminders.0.to", "reminders..left",
                  "reminders.9999999999.left"),
    f"/changes/{NOTHING}/approve": (),
    "/changes/%2e%2e/deny": (),
    "/account/password": ("current", "new"),
    "/account/totp": ("password",),
    "/account/totp/confirm": ("factor_id", "code"),
    "/account/passkey": ("name", "password"),
    "/account/passkey/add": ("name", "credential"),
    f"/account/factors/{NOTHING}": ("password",),
    f"/account/sessions/{NOTHING}/end": (),
    "/account/sessions/%2e%2e/end": (),
    "/account/recovery-codes": ("password",),
    "/setup": ("token", "password"),
    "/recover": ("realm", "email", "code", "password"),
    "/tenants/add": ("id", "name", "admin.email", "admin.name"),
    "/tenants/%2e%2e/entitlement": ("entitled",),
    "/clients": ("name",),
    f"/clients/{NOTHING}/revoke": (),
    "/issuers/add": ("issuer", "name", "client_id", "client_secret", "algorithm", "group_claim", "group", "role"),
    f"/issuers/{NOTHING}/remove": (),
}  # fmt: skip
VALUES: Final = (
    "",
    "\u202e\u0000\u0007",
    "\ud800",
    "<script>alert(1)</script>",
    "{{7*7}}%(x)s{0}",
    "../../v1/me",
    "-1",
    "\N{ARABIC-INDIC DIGIT ONE}" * 5,
    "x" * 1000,
)


async def send(browser: Browser, path: str, csrf: str, names: tuple[str, ...], value: str) -> None:
    pairs = [("csrf", csrf), *((name, value) for name in names for _ in range(2))]
    body = "&".join(f"{quote_plus(name)}={quote_plus(text, errors='surrogatepass')}" for name, text in pairs)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    answer = await browser.http.post(path, content=body.encode(), headers=headers)
    assert 400 <= answer.status_code < 500 or path == "/settings", (path, value, answer.status_code)
    assert answer.status_code < 500, (path, value)
    assert answer.headers["content-type"].startswith("text/html"), (path, value, answer.status_code, answer.text[:300])
    assert "<script>alert(1)" not in answer.text


@pytest.mark.parametrize("path", FORMS)
async def test_no_form_fails_on_hostile_input(approval: Approval, path: str) -> None:
    before = await approval.everything()
    browser = await browser_of(approval, OTTO if path.startswith("/tenants") else ADMIN)
    csrf = form_to(await browser.open("/account"), "/sign-out").value("csrf")
    # Comparing a password is slow by design.
    values = VALUES[:3] if {"password", "current"} & set(FORMS[path]) else VALUES if FORMS[path] else VALUES[:1]
    for value in values:
        if path == "/clients" and value.isprintable() and value.strip() and len(value) < 256:
            # That is a name like any other; what it does to the page is tried with the page of programs.
            continue
        await send(browser, path, csrf, FORMS[path], value)
    assert await approval.everything() == before


async def test_no_form_counts_without_its_token_or_with_another_persons(approval: Approval) -> None:
    before = await approval.everything()
    browser = await browser_of(approval, ADMIN)
    stranger = form_to(await (await browser_of(approval, AUDITOR)).open("/account"), "/sign-out").value("csrf")
    for path in FORMS:
        for csrf in ("", "x" * 64, stranger):
            answer = await browser.post(path, [("csrf", csrf), ("key", "k")])
            assert answer.status_code in (403, 404), (path, csrf)
    assert await approval.everything() == before
