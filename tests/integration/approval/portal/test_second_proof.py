"""The second proof: at the sign-in, and with each decision where the tenant demands one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pyotp
import pytest

from services.approval import one_time_passwords
from services.approval.store import factors
from shared.database.pool import clock, transaction
from shared.events.envelope import new_id
from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import PASSWORD, Approval

DPO, ADMIN = "dpo@contoso.example", "admin@contoso.example"


@pytest.fixture(autouse=True)
async def clean(approval: Approval) -> AsyncIterator[None]:
    yield
    await demand(approval, "off")
    await approval.pool.execute("DELETE FROM factors")


async def demand(approval: Approval, second_factor: str) -> None:
    await approval.pool.execute(
        "UPDATE tenants SET settings = settings || jsonb_build_object('second_factor', $1::text) WHERE tenant = 'contoso'",
        second_factor,
    )


async def with_totp(approval: Approval, email: str) -> pyotp.TOTP:
    member, factor_id, secret = await approval.member(email), new_id(), one_time_passwords.new_secret()
    async with transaction(approval.pool) as connection:
        now = await clock(connection)
        sealed = one_time_passwords.sealed(approval.settings, factor_id, secret)
        await factors.begin_totp(connection, factor_id, member.id, secret=sealed, now=now)
        await factors.confirm_totp(connection, factor_id, step=0, now=now)
    return pyotp.TOTP(secret)


async def test_the_code_is_asked_for_after_the_password_which_no_page_shows(approval: Approval) -> None:
    totp = await with_totp(approval, ADMIN)
    browser = Browser(approval)
    form = form_to(await browser.open("/sign-in?next=/history"), "/sign-in")
    asked = await browser.send(form, realm="contoso", email=ADMIN, password=PASSWORD)
    assert asked.status_code == 401
    assert "six digits" in text_of(asked)
    assert PASSWORD not in asked.text
    second = form_to(asked, "/sign-in")
    assert not any(name == "password" for name, _ in second.fields)
    wrong = await browser.send(second, code=f"{(int(totp.now()) + 1) % 1_000_000:06}")
    assert wrong.status_code == 401
    elsewhere = Browser(approval)
    token = form_to(await elsewhere.open("/sign-in"), "/sign-in").value("csrf")
    taken = await elsewhere.send(second, csrf=token, code=totp.now())
    assert taken.status_code == 401
    done = await browser.send(form_to(wrong, "/sign-in"), code=totp.now())
    assert (done.status_code, done.headers["location"]) == (303, "/history")


async def test_a_decision_asks_for_the_code_and_keeps_the_comment(approval: Approval) -> None:
    await demand(approval, "any")
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    path = f"/requests/{request_id}/approve"
    without = await browser.open(f"/requests/{request_id}")
    assert "Set it up in your account" in text_of(without)
    totp = await with_totp(approval, DPO)
    form = form_to(await browser.open(f"/requests/{request_id}"), path)
    refused = await browser.send(form, comment="Go on.", code="")
    assert refused.status_code == 403
    assert "second proof" in text_of(refused)
    assert form_to(refused, path).value("comment") == "Go on."
    code = totp.now()
    wrong = await browser.send(form, comment="Go on.", code=f"{(int(code) + 1) % 1_000_000:06}")
    assert wrong.status_code == 422
    assert form_to(wrong, path).value("code") == ""
    done = await browser.send(form_to(wrong, path), code=f"{code[:3]} {code[3:]}")
    assert done.status_code == 303, text_of(done)
    assert (await approval.shown(request_id))["decisions"][-1]["comment"] == "Go on."


async def test_a_passkey_is_given_the_decision_as_the_form_has_it(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/approve")
    path = f"/requests/{request_id}/challenge"
    given = await browser.send(form, path, decision="approve", allow=["0.0"], duration="PT30M")
    assert given.headers["content-type"] == "application/json"
    if given.status_code == 409:
        # The tests' portal has a bare number for an address, where there are no passkeys.
        assert "bare number" in given.json()["said"]
    nothing = await browser.send(form, path, decision="approve", allow=[])
    assert nothing.status_code in {409, 422}
    assert nothing.json()["said"]
    foreign = await browser.send(form, path, headers={"Origin": "https://evil.example"}, decision="approve")
    assert foreign.status_code == 403


async def test_an_assertion_that_is_none_is_refused_and_the_comment_kept(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    path = f"/requests/{request_id}/approve"
    form = form_to(await browser.open(f"/requests/{request_id}"), path)
    for assertion in ("nonsense", "[]", '{"id": 1}', '{"id": "x", "rawId": "x", "type": "public-key", "response": {}}'):
        refused = await browser.send(form, comment="Go on.", assertion=assertion)
        assert refused.status_code == 422, assertion
        assert form_to(refused, path).value("comment") == "Go on."
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"
