"""A second factor that a tenant demands for its decisions, shown as a one-time password or by the way of signing in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest

from services.approval import lockout, one_time_passwords
from services.approval.store import factors
from shared.database.pool import clock, transaction
from shared.events.envelope import new_id
from tests.integration.approval.system import Approval, realm_of, refused, types

DPO, ADMIN, OTHER = "dpo@contoso.example", "admin@contoso.example", "dpo@fabrikam.example"


@pytest.fixture(autouse=True)
async def demanded(approval: Approval, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Contoso demands a second factor of any kind, Fabrikam none. Nobody sits out a wait by chance."""
    for name in ("ACCOUNT", "ADDRESS"):
        monkeypatch.setattr(lockout, name, replace(getattr(lockout, name), first=timedelta(minutes=5)))
    await demand(approval, "any")
    await approval.pool.execute("DELETE FROM attempts")
    await approval.pool.execute("DELETE FROM factors")
    yield
    await demand(approval, "off")


async def demand(approval: Approval, second_factor: str) -> None:
    await approval.pool.execute(
        "UPDATE tenants SET settings = settings || jsonb_build_object('second_factor', $1::text) WHERE tenant = 'contoso'",
        second_factor,
    )


async def with_totp(approval: Approval, email: str) -> pyotp.TOTP:
    """Give somebody one-time passwords, of which no code has been used yet."""
    member, factor_id, secret = await approval.member(email), new_id(), one_time_passwords.new_secret()
    async with transaction(approval.pool) as connection:
        now = await clock(connection)
        sealed = one_time_passwords.sealed(approval.settings, factor_id, secret)
        await factors.begin_totp(connection, factor_id, member.id, secret=sealed, now=now)
        await factors.confirm_totp(connection, factor_id, step=0, now=now)
    return pyotp.TOTP(secret)


def another(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def approve(
    approval: Approval, email: str, request_id: str, code: str | None = None, **headers: str
) -> httpx.Response:
    body = {} if code is None else {"code": code}
    return await approval.call(email, "POST", f"/v1/requests/{request_id}/approve", body, **headers)


async def methods(approval: Approval, request_id: str) -> list[str]:
    """Give how each of those who decided had shown who he is."""
    return [
        event.payload["approver"]["method"]
        for event in await approval.published(request_id)
        if types([event]) == ["request.vote_cast"]
    ]


async def test_without_one_nothing_is_decided_and_with_a_code_it_is(approval: Approval) -> None:
    totp = await with_totp(approval, DPO)
    request_id = await approval.passed_on()
    assert (await approval.call(DPO, "GET", "/v1/me")).json()["second_factor"] == "any"
    refused(await approve(approval, DPO, request_id), 403, "second_factor_required")
    denial = await approval.call(DPO, "POST", f"/v1/requests/{request_id}/deny", {"comment": "No."})
    refused(denial, 403, "second_factor_required")
    response = await approve(approval, DPO, request_id, totp.now())
    assert (response.status_code, response.json()["state"]) == (200, "approved")
    assert await methods(approval, request_id) == ["password+totp"]


async def test_a_session_that_began_with_a_code_is_enough_and_a_passkey_that_is_demanded_is_not_replaced_by_it(
    approval: Approval,
) -> None:
    await approval.token(ADMIN)
    member = await approval.member(ADMIN)
    await approval.pool.execute("UPDATE sessions SET method = 'password+totp' WHERE member_id = $1", member.id)
    request_id = await approval.passed_on()
    await demand(approval, "passkey")
    refused(await approve(approval, ADMIN, request_id), 403, "second_factor_required")
    await demand(approval, "any")
    assert (await approve(approval, ADMIN, request_id)).status_code == 200
    assert await methods(approval, request_id) == ["password+totp"]
    await approval.pool.execute("UPDATE sessions SET method = 'password' WHERE member_id = $1", member.id)


async def test_a_code_decides_once_also_on_two_requests_at_once(approval: Approval) -> None:
    totp = await with_totp(approval, DPO)
    waiting = [await approval.passed_on() for _ in range(3)]
    code = totp.now()
    answers = await asyncio.gather(*(approve(approval, DPO, one, code) for one in waiting))
    assert sorted(one.status_code for one in answers) == [200, 422, 422]
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 422, "wrong_code", "code")


async def test_a_code_that_is_given_is_verified_though_none_is_demanded(approval: Approval) -> None:
    await with_totp(approval, OTHER)
    request_id = await approval.passed_on(tenant="fabrikam")
    refused(await approve(approval, OTHER, request_id, "000000"), 422, "wrong_code", "code")
    assert (await approve(approval, OTHER, request_id)).status_code == 200


async def test_a_code_of_somebody_who_has_no_one_time_passwords_is_wrong(approval: Approval) -> None:
    request_id = await approval.passed_on()
    refused(await approve(approval, ADMIN, request_id, "123456"), 422, "wrong_code", "code")
    refused(await approve(approval, ADMIN, request_id, "12345"), 422, "invalid_request", "code")
    refused(await approve(approval, ADMIN, request_id, "１２３４５６"), 422, "invalid_request", "code")


async def test_wrong_codes_for_decisions_are_guesses_however_many_are_sent_at_once(approval: Approval) -> None:
    totp = await with_totp(approval, DPO)
    request_id = await approval.passed_on()
    wrong = another(totp.now())
    answers = await asyncio.gather(*(approve(approval, DPO, request_id, wrong) for _ in range(20)))
    assert sorted(one.status_code for one in answers) == [422] * 5 + [429] * 15
    refused(await approve(approval, DPO, request_id, totp.now()), 429, "too_many_attempts")
    body = {"realm": realm_of(DPO), "email": DPO, "password": "whatever"}
    refused(await approval.http.post("/v1/sessions", json=body), 429, "too_many_attempts")


async def test_a_right_code_ends_the_row_of_wrong_ones_and_a_used_one_does_not(approval: Approval) -> None:
    totp = await with_totp(approval, DPO)
    first, second = await approval.passed_on(), await approval.passed_on()
    code = totp.now()
    for _ in range(4):
        refused(await approve(approval, DPO, first, another(code)), 422, "wrong_code")
    assert (await approve(approval, DPO, first, code)).status_code == 200
    assert await failures_of(approval, DPO) is None
    for _ in range(4):
        refused(await approve(approval, DPO, second, another(code)), 422, "wrong_code")
    for _ in range(3):
        refused(await approve(approval, DPO, second, code), 422, "wrong_code")
    assert await failures_of(approval, DPO) == 4


async def failures_of(approval: Approval, email: str) -> Any:
    key = f"account:{realm_of(email)}:{email}"
    return await approval.pool.fetchval("SELECT failures FROM attempts WHERE key = $1", key)


async def test_a_decision_that_is_sent_again_with_its_key_gets_its_answer_though_the_code_is_used(
    approval: Approval,
) -> None:
    totp = await with_totp(approval, DPO)
    request_id = await approval.passed_on()
    code = totp.now()
    first = await approve(approval, DPO, request_id, code, idempotency_key="decision-1")
    assert first.status_code == 200
    # The time of the code is over too.
    await approval.pool.execute("DELETE FROM factors")
    again = await approve(approval, DPO, request_id, code, idempotency_key="decision-1")
    assert (again.status_code, again.content) == (200, first.content)
    guess = await approve(approval, DPO, request_id, another(code), idempotency_key="decision-1")
    refused(guess, 422, "idempotency_conflict")
    assert await failures_of(approval, DPO) is None


async def test_a_refused_decision_leaves_the_code_for_the_next_try(approval: Approval) -> None:
    totp = await with_totp(approval, DPO)
    decided, waiting = await approval.passed_on(), await approval.passed_on()
    code = totp.now()
    await approval.pool.execute("UPDATE tenants SET settings_version = settings_version + 1 WHERE tenant = 'contoso'")
    body = {"code": code, "settings_version": 1}
    refused(await approval.call(DPO, "POST", f"/v1/requests/{decided}/approve", body), 409, "settings_changed")
    assert (await approve(approval, DPO, waiting, code)).status_code == 200


async def test_codes_that_nobody_could_have_meant_count_for_nobody(approval: Approval) -> None:
    request_id = await approval.passed_on()
    path = f"/v1/requests/{request_id}/approve"
    wrong: list[Any] = [{"code": None}, {"code": 123456}, {"code": ["123456"]}, {"code": {}}, ["code"], "code", None]
    for body in wrong:
        answer = await approval.call(DPO, "POST", path, body)
        assert answer.status_code in (403, 422), answer.text
    assert await failures_of(approval, DPO) is None
