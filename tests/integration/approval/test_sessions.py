"""Signing in, being known, and being known no more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from services.approval.app import AUDIENCE
from services.approval.callers import Caller, as_known_now
from shared.database.pool import transaction
from shared.events.members import SessionRevoked
from shared.security import passwords
from shared.security.keys import LocalJwks
from shared.security.tokens import InvalidToken, session_verifier
from tests.integration.approval.system import PASSWORD, Approval, refused, types

ADMIN, USER = "admin@contoso.example", "user@contoso.example"
NEW = "another-password-of-the-tests"


async def sign_in(approval: Approval, email: str, password: str = PASSWORD, realm: str = "contoso") -> httpx.Response:
    body = {"realm": realm, "email": email, "password": password}
    return await approval.http.post("/v1/sessions", json=body)


async def me(approval: Approval, token: str) -> httpx.Response:
    return await approval.http.get("/v1/me", headers={"authorization": f"Bearer {token}"})


async def session_of(approval: Approval, token: str) -> str:
    return (await session_verifier(LocalJwks([approval.key]), AUDIENCE).verify(token)).session_id


async def test_a_session_tells_who_one_is_and_its_token_counts_for_all_services(approval: Approval) -> None:
    response = await sign_in(approval, ADMIN.upper())
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == {"access_token", "expires_in", "realm", "roles"}
    assert (answer["expires_in"], answer["realm"], answer["roles"]) == (3600, "contoso", ["global_admin"])
    assert response.headers["cache-control"] == "no-store"
    known = await me(approval, answer["access_token"])
    assert known.status_code == 200
    session = known.json()["session"]
    assert (session["id"], session["method"]) == (await session_of(approval, answer["access_token"]), "password")
    assert known.json() | {"id": None, "session": None} == {
        "id": None,
        "session": None,
        "factors": [],
        "second_factor": "off",
        "realm": "contoso",
        "email": ADMIN,
        "name": "Alex Adler (Contoso)",
        "roles": ["global_admin"],
        "stale_roles": [],
        "employer": None,
        "job_title": None,
        "country": None,
    }
    for audience in ("lockbox-approval", "lockbox-request-api", "lockbox-audit"):
        claims = await session_verifier(LocalJwks([approval.key]), audience).verify(answer["access_token"])
        assert (claims.email, claims.realm, claims.subject) == (ADMIN, "contoso", known.json()["id"])


async def test_the_published_keys_verify_a_token_and_hold_no_secret(approval: Approval) -> None:
    keys = (await approval.http.get("/.well-known/jwks.json")).json()["keys"]
    assert len(keys) == 1
    assert "d" not in keys[0]
    assert (keys[0]["kty"], keys[0]["crv"], keys[0]["use"]) == ("OKP", "Ed25519", "sig")


async def test_nobody_learns_from_the_answer_or_the_work_which_accounts_exist(
    approval: Approval, monkeypatch: Any
) -> None:
    compared: list[bool] = []
    real = passwords._verify

    def counted(stored: str, password: str) -> bool:
        compared.append(True)
        return real(stored, password)

    monkeypatch.setattr(passwords, "_verify", counted)
    bodies = set()
    for email, realm in [
        (ADMIN, "contoso"),
        ("nobody@contoso.example", "contoso"),
        (ADMIN, "fabrikam"),
        (ADMIN, "nobody"),
    ]:
        compared.clear()
        response = await sign_in(approval, email, "a-wrong-password", realm)
        refused(response, 401, "invalid_credentials")
        bodies.add(response.content)
        assert compared == [True]
    assert len(bodies) == 1


async def test_after_signing_out_the_token_counts_nowhere_and_everybody_is_told(approval: Approval) -> None:
    token = (await sign_in(approval, USER)).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    response = await approval.http.delete("/v1/sessions/current", headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    refused(await me(approval, token), 401, "token_invalid")
    refused(await approval.http.delete("/v1/sessions/current", headers=headers), 401, "token_invalid")
    user = await approval.member(USER)
    event = (await approval.published(user.id))[-1]
    fact: SessionRevoked = event.data
    assert fact.session_id == await session_of(approval, token)
    assert (event.tenant, fact.realm, fact.reason) == ("contoso", "contoso", "signed_out")


async def test_of_two_who_sign_out_of_one_session_at_once_one_does(approval: Approval) -> None:
    token = await approval.new_token(USER)
    headers = {"authorization": f"Bearer {token}"}
    user = await approval.member(USER)
    before = len(await approval.published(user.id))
    answers = await asyncio.gather(*(approval.http.delete("/v1/sessions/current", headers=headers) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [204, 401, 401, 401]
    assert len(await approval.published(user.id)) == before + 1


async def test_a_changed_password_ends_the_other_sessions_and_the_old_password(approval: Approval) -> None:
    email = "helpdesk@contoso.example"
    member = await approval.member(email)
    mine, other = await approval.new_token(email), await approval.new_token(email)
    headers = {"authorization": f"Bearer {mine}"}

    async def change(current: str, new: str) -> httpx.Response:
        return await approval.http.post("/v1/me/password", json={"current": current, "new": new}, headers=headers)

    refused(await change("a-wrong-password", NEW), 422, "wrong_password", "current")
    refused(await change(PASSWORD, "short"), 422, "invalid_request", "new")
    refused(await change(PASSWORD, PASSWORD), 422, "invalid_request", "new")
    assert (await me(approval, other)).status_code == 200
    before = len(await approval.published(member.id))
    response = await change(PASSWORD, NEW)
    assert response.status_code == 200
    assert response.json()["email"] == email
    assert (await me(approval, mine)).status_code == 200
    refused(await me(approval, other), 401, "token_invalid")
    assert types((await approval.published(member.id))[before:]) == [
        "member.password_changed",
        "member.session_revoked",
    ]
    refused(await sign_in(approval, email), 401, "invalid_credentials")
    assert (await sign_in(approval, email, NEW)).status_code == 200


async def test_no_password_stands_in_an_answer_or_an_event(approval: Approval) -> None:
    response = await sign_in(approval, ADMIN, "x" * 300)
    refused(response, 422, "invalid_request", "password")
    assert "x" * 12 not in response.text
    rows = await approval.pool.fetch("SELECT body FROM events")
    assert not [row for row in rows if PASSWORD.encode() in row["body"] or b"argon2" in row["body"]]


async def test_a_session_ends_by_itself(approval: Approval) -> None:
    old = datetime.now(UTC) - timedelta(hours=2)
    expired = await approval.new_token(USER, now=old)
    refused(await me(approval, expired), 401, "token_invalid")
    # The database's word counts too: a token that still runs is of no use once its session is over.
    over = await approval.new_token(USER, lifetime=timedelta(seconds=0))
    refused(await me(approval, over), 401, "token_invalid")


async def test_a_role_that_is_taken_away_counts_no_more_in_the_same_session(approval: Approval) -> None:
    email = "auditor@fabrikam.example"
    token = await approval.token(email)
    assert (await me(approval, token)).json()["roles"] == ["auditor"]
    member = await approval.member(email)
    await approval.pool.execute("DELETE FROM member_roles WHERE member_id = $1", member.id)
    assert (await me(approval, token)).json()["roles"] == []
    refused(await approval.call(email, "GET", "/v1/tenants/fabrikam/settings"), 403, "forbidden")


async def test_a_session_that_ends_while_a_decision_waits_does_not_decide(approval: Approval) -> None:
    token = await approval.new_token(ADMIN)
    session_id = await session_of(approval, token)
    caller = Caller(await approval.member(ADMIN), session_id, "password")
    async with transaction(approval.pool) as connection:
        assert (await as_known_now(connection, caller)).member == caller.member
        await approval.pool.execute("UPDATE sessions SET ended_at = clock_timestamp() WHERE id = $1", session_id)
        try:
            await as_known_now(connection, caller)
        except InvalidToken as error:
            assert error.code == "session_ended"  # noqa: PT017 - Inside a transaction that goes on.
        else:
            raise AssertionError("the session has ended")


async def test_a_member_who_was_removed_is_known_no_more(approval: Approval) -> None:
    email = "user@fabrikam.example"
    token = await approval.token(email)
    member = await approval.member(email)
    await approval.pool.execute("UPDATE members SET removed_at = clock_timestamp() WHERE id = $1", member.id)
    refused(await me(approval, token), 401, "token_invalid")
    refused(await sign_in(approval, email, realm="fabrikam"), 401, "invalid_credentials")
