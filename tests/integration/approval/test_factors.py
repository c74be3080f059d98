"""One-time passwords: registered by a first code, asked at each sign-in, used once, kept encrypted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
from pydantic import SecretStr

from services.approval import lockout, one_time_passwords
from services.approval.domain.lockout import ACCOUNT
from services.approval.store import factors
from shared.database.pool import transaction
from shared.events.members import FactorAdded, FactorRemoved
from shared.security import passwords
from tests.integration.approval.system import PASSWORD, Approval, realm_of, refused, types


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare passwords without the cost of Argon2, which is not what these tests are about."""

    def verify(stored: str, password: str) -> bool:
        return password == PASSWORD and stored != passwords._nobodys_hash()

    monkeypatch.setattr(passwords, "_verify", verify)


async def begin(approval: Approval, email: str) -> dict[str, Any]:
    return await approval.done(email, "/v1/me/factors/totp", {"password": PASSWORD})


async def confirm(approval: Approval, email: str, begun: dict[str, Any], code: str | None = None) -> httpx.Response:
    path = f"/v1/me/factors/totp/{begun['factor_id']}/confirm"
    return await approval.call(email, "POST", path, {"code": code or pyotp.TOTP(begun["secret"]).now()})


async def registered(approval: Approval, email: str) -> tuple[dict[str, Any], pyotp.TOTP]:
    """Have somebody use one-time passwords, of which no code has been used yet."""
    begun = await begin(approval, email)
    response = await confirm(approval, email, begun)
    assert response.status_code == 200, response.text
    await unused(approval)
    return response.json(), pyotp.TOTP(begun["secret"])


async def unused(approval: Approval) -> None:
    """Have used no code: time would have passed."""
    await approval.pool.execute("UPDATE factors SET last_step = NULL")
    await approval.pool.execute("DELETE FROM attempts")


async def sign_in(approval: Approval, email: str, code: str | None = None, password: str = PASSWORD) -> httpx.Response:
    body = {"realm": realm_of(email), "email": email, "password": password}
    return await approval.http.post("/v1/sessions", json=body if code is None else body | {"code": code})


def another(code: str) -> str:
    """Give a wrong code."""
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_one_time_passwords_count_once_a_first_code_has_confirmed_them(approval: Approval) -> None:
    email = "dpo@contoso.example"
    begun = await begin(approval, email)
    assert begun.keys() == {"factor_id", "secret", "uri"}
    assert begun["uri"].startswith("otpauth://totp/Lockbox:dpo%40contoso.example")
    assert f"secret={begun['secret']}" in begun["uri"]
    assert (await sign_in(approval, email)).status_code == 200

    wrong = another(pyotp.TOTP(begun["secret"]).now())
    refused(await confirm(approval, email, begun, wrong), 422, "wrong_code", "code")
    response = await confirm(approval, email, begun)
    assert response.status_code == 200
    factor = response.json()
    assert (factor["id"], factor["kind"], factor["name"]) == (begun["factor_id"], "totp", None)
    me = (await approval.call(email, "GET", "/v1/me")).json()
    assert me["factors"] == [factor]
    member = await approval.member(email)
    fact: FactorAdded = (await approval.published(member.id))[-1].data
    assert (fact.factor_id, fact.kind, fact.by, fact.public_key) == (factor["id"], "totp", member.person, None)
    refused(await confirm(approval, email, begun), 404, "not_found")
    refused(await approval.call(email, "POST", "/v1/me/factors/totp", {"password": PASSWORD}), 409, "factor_exists")


async def test_a_sign_in_needs_the_code_and_says_so_only_after_the_right_password(approval: Approval) -> None:
    email = "admin@contoso.example"
    _, totp = await registered(approval, email)
    refused(await sign_in(approval, email), 401, "code_required")
    refused(await sign_in(approval, email, password="a-wrong-password"), 401, "invalid_credentials")
    refused(await sign_in(approval, email, totp.now(), password="a-wrong-password"), 401, "invalid_credentials")
    refused(await sign_in(approval, email, another(totp.now())), 401, "invalid_credentials")
    refused(await sign_in(approval, email, "12345"), 422, "invalid_request", "code")
    response = await sign_in(approval, email, totp.now())
    assert response.status_code == 200
    headers = {"authorization": f"Bearer {response.json()['access_token']}"}
    me = (await approval.http.get("/v1/me", headers=headers)).json()
    assert me["session"]["method"] == "password+totp"
    assert me["factors"][0]["last_used_at"] is not None


async def test_a_code_signs_in_once_also_when_it_is_sent_twice_at_once(approval: Approval) -> None:
    email = "helpdesk@contoso.example"
    _, totp = await registered(approval, email)
    code = totp.now()
    answers = await asyncio.gather(*(sign_in(approval, email, code) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 401, 401, 401]
    refused(await sign_in(approval, email, code), 401, "invalid_credentials")


async def test_wrong_codes_are_guesses_and_a_password_alone_is_none(
    approval: Approval, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockout, "ACCOUNT", replace(ACCOUNT, first=timedelta(minutes=5)))
    email = "auditor@contoso.example"
    _, totp = await registered(approval, email)
    for _ in range(8):
        refused(await sign_in(approval, email), 401, "code_required")
    for _ in range(5):
        refused(await sign_in(approval, email, another(totp.now())), 401, "invalid_credentials")
        # It takes back its own count, and none of the wrong codes'.
        if (response := await sign_in(approval, email)).status_code == 429:
            break
        refused(response, 401, "code_required")
    refused(await sign_in(approval, email, totp.now()), 429, "too_many_attempts")


async def test_somebody_without_one_time_passwords_signs_in_whatever_code_he_sends(approval: Approval) -> None:
    assert (await sign_in(approval, "user@contoso.example", "123456")).status_code == 200


def test_a_code_counts_one_step_before_and_after_its_time_and_never_again() -> None:
    from datetime import UTC, datetime

    secret = one_time_passwords.new_secret()
    now = datetime(2026, 11, 25, 10, 0, 15, tzinfo=UTC)
    totp = pyotp.TOTP(secret)
    step = totp.timecode(now)
    found = {
        offset: one_time_passwords.step_of(secret, totp.generate_otp(step + offset), now, last_step=None)
        for offset in range(-3, 4)
    }
    assert found == {-3: None, -2: None, -1: step - 1, 0: step, 1: step + 1, 2: None, 3: None}
    assert one_time_passwords.step_of(secret, totp.generate_otp(step), now, last_step=step) is None
    assert one_time_passwords.step_of(secret, totp.generate_otp(step - 1), now, last_step=step) is None
    assert one_time_passwords.step_of(secret, totp.generate_otp(step + 1), now, last_step=step) == step + 1


async def test_the_secret_is_stored_encrypted_for_its_factor_alone_and_told_to_nobody(approval: Approval) -> None:
    email = "dpo@fabrikam.example"
    factor, totp = await registered(approval, email)
    stored = await approval.pool.fetchval("SELECT secret FROM factors WHERE id = $1", factor["id"])
    assert totp.secret.encode() not in stored
    assert one_time_passwords.opened(approval.settings, factor["id"], stored) == totp.secret
    assert one_time_passwords.opened(approval.settings, "another-factor", stored) is None
    rows = await approval.pool.fetch("SELECT body FROM events")
    assert not [row for row in rows if totp.secret.encode() in row["body"]]
    assert totp.secret not in (await approval.call(email, "GET", "/v1/me")).text


async def test_removing_one_takes_the_password_and_leaves_an_event(approval: Approval) -> None:
    email = "admin@fabrikam.example"
    factor, _ = await registered(approval, email)
    path = f"/v1/me/factors/{factor['id']}/remove"
    refused(
        await approval.call(email, "POST", path, {"password": "a-wrong-password"}), 422, "wrong_password", "password"
    )
    refused(await approval.call(email, "POST", path, {}), 422, "invalid_request", "password")
    refused(await approval.call(email, "POST", path, {"password": None}), 422, "invalid_request", "password")
    refused(await approval.call(None, "POST", path, {"password": PASSWORD}), 401, "not_authenticated")
    # Another person's factor does not exist for anybody else, his admin included.
    other = "user@fabrikam.example"
    refused(await approval.call(other, "POST", path, {"password": PASSWORD}), 404, "not_found")
    assert await approval.done(email, path, {"password": PASSWORD}) == {"items": []}
    refused(await approval.call(email, "POST", path, {"password": PASSWORD}), 404, "not_found")
    member = await approval.member(email)
    events = await approval.published(member.id)
    assert types(events)[-2:] == ["member.factor_added", "member.factor_removed"]
    fact: FactorRemoved = events[-1].data
    assert (fact.factor_id, fact.kind, fact.by) == (factor["id"], "totp", member.person)
    assert (await sign_in(approval, email)).status_code == 200


async def test_where_the_internal_secret_is_a_new_one_every_code_is_wrong(approval: Approval) -> None:
    email = "eve@provider.example"
    _, totp = await registered(approval, email)
    parts = approval.app.state.parts
    renewed = approval.settings.model_copy(update={"internal_secret": SecretStr("f" * 32)})
    approval.app.state.parts = replace(parts, settings=renewed)
    try:
        refused(await sign_in(approval, email, totp.now()), 401, "invalid_credentials")
    finally:
        approval.app.state.parts = parts
    assert (await sign_in(approval, email, totp.now())).status_code == 200


async def test_of_two_who_confirm_at_once_one_does(approval: Approval) -> None:
    email = "max@provider.example"
    begun = await begin(approval, email)
    answers = await asyncio.gather(*(confirm(approval, email, begun) for _ in range(3)))
    assert sorted(one.status_code for one in answers) == [200, 404, 404]


async def test_a_secret_that_was_begun_again_counts_no_more(approval: Approval) -> None:
    email = "ada@provider.example"
    first, second = await begin(approval, email), await begin(approval, email)
    refused(await confirm(approval, email, first), 404, "not_found")
    assert (await confirm(approval, email, second)).status_code == 200


async def test_who_signs_in_by_an_issuer_needs_no_password_for_five_minutes(approval: Approval) -> None:
    email = "auditor@fabrikam.example"
    await approval.token(email)
    member = await approval.member(email)
    await approval.pool.execute("UPDATE sessions SET method = 'oidc' WHERE member_id = $1", member.id)
    begun = await approval.done(email, "/v1/me/factors/totp", {})
    assert begun["secret"]
    await approval.pool.execute(
        "UPDATE sessions SET issued_at = issued_at - interval '5 minutes 1 second' WHERE member_id = $1", member.id
    )
    refused(await approval.call(email, "POST", "/v1/me/factors/totp", {}), 403, "sign_in_again")


async def test_a_reset_removes_all_factors_and_what_was_begun(approval: Approval) -> None:
    email = "helpdesk@fabrikam.example"
    factor, _ = await registered(approval, email)
    member = await approval.member(email)
    async with transaction(approval.pool) as connection:
        removed = await factors.remove_all(connection, member.id)
        assert [(one.id, one.kind) for one in removed] == [(factor["id"], "totp")]
        assert await factors.remove_all(connection, member.id) == []
    begun = await begin(approval, email)
    async with transaction(approval.pool) as connection:
        assert await factors.remove_all(connection, member.id) == []
    refused(await confirm(approval, email, begun), 404, "not_found")


async def test_what_was_begun_and_not_finished_is_forgotten(approval: Approval) -> None:
    email = "otto@provider.example"
    begun = await begin(approval, email)
    async with transaction(approval.pool) as connection:
        assert await factors.prune(connection) == 0
        await connection.execute(
            "UPDATE factors SET added_at = added_at - $2::interval WHERE id = $1",
            begun["factor_id"],
            timedelta(hours=1),
        )
        assert await factors.prune(connection) == 1
    refused(await confirm(approval, email, begun), 404, "not_found")
