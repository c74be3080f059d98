"""Choosing a password of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from services.approval import reauthentication
from services.approval.callers import Caller
from services.approval.store import members
from shared.database.pool import transaction
from shared.events.members import SessionRevoked
from shared.security import passwords
from shared.security.passwords import hash_password
from shared.web.problems import Problem
from tests.integration.approval.system import PASSWORD, Approval, realm_of, refused, types

NEW = "four quiet words here"


@pytest.fixture(autouse=True)
async def fresh(approval: Approval) -> AsyncIterator[None]:
    yield
    await approval.pool.execute("DELETE FROM attempts")


async def change(approval: Approval, email: str, new: str, current: str = PASSWORD) -> httpx.Response:
    return await approval.call(email, "POST", "/v1/me/password", {"current": current, "new": new})


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("elevenchars", "at least 12 characters"),
        ("Password12345", "too common"),
        ("administrator", "too common"),
        ("qwertyuiopas", "too common"),
        ("user.contoso.2026", "made of your name"),
        ("Lockbox-2026-11", "made of your name"),
        (PASSWORD, "another one than before"),
    ],
)
async def test_a_password_that_is_guessed_first_is_refused_in_words_before_the_present_one_is_compared(
    approval: Approval, monkeypatch: pytest.MonkeyPatch, new: str, words: str
) -> None:
    compared: list[str] = []

    def verify(_: str, password: str) -> bool:
        compared.append(password)
        return True

    monkeypatch.setattr(passwords, "_verify", verify)
    body = refused(await change(approval, "user@contoso.example", new), 422, "invalid_request", "new")
    assert words in body["errors"][0]["message"]
    assert compared == []
    assert new == PASSWORD or new not in str(body)


async def test_of_two_changes_at_once_one_counts(approval: Approval) -> None:
    email = "helpdesk@contoso.example"
    await approval.token(email)
    answers = await asyncio.gather(change(approval, email, NEW), change(approval, email, f"{NEW} too"))
    assert sorted(one.status_code for one in answers) == [200, 422]
    events = await approval.published((await approval.member(email)).id)
    assert types(events).count("member.password_changed") == 1
    chosen = NEW if answers[0].status_code == 200 else f"{NEW} too"
    body = {"realm": "contoso", "email": email, "password": chosen}
    assert (await approval.http.post("/v1/sessions", json=body)).status_code == 200


async def test_a_password_that_was_changed_meanwhile_shows_nothing_any_more(approval: Approval) -> None:
    email = "dpo@fabrikam.example"
    token = await approval.token(email)
    parts = approval.app.state.parts
    claims = await parts.verifier.verify(token)
    async with approval.pool.acquire() as connection:
        found = await members.of_session(connection, claims.session_id)
    assert found is not None
    caller = Caller(found[0], claims.session_id, found[1])
    shown = await reauthentication.show_again(parts, caller, PASSWORD, address="198.51.100.1")
    await approval.pool.execute(
        "UPDATE members SET password_hash = $2 WHERE id = $1", caller.member.id, await hash_password(NEW)
    )
    async with transaction(approval.pool) as connection:
        with pytest.raises(Problem) as refusal:
            await shown.hold(connection)
    assert refusal.value.code == "wrong_password"


async def test_all_other_sessions_end_with_the_old_password_and_the_log_says_so(approval: Approval) -> None:
    email = "auditor@contoso.example"
    mine, other = await approval.token(email), await approval.new_token(email)
    assert (await change(approval, email, NEW)).status_code == 200
    for token, status in ((mine, 200), (other, 401)):
        headers = {"authorization": f"Bearer {token}"}
        assert (await approval.http.get("/v1/me", headers=headers)).status_code == status
    events = await approval.published((await approval.member(email)).id)
    assert types(events)[-1] == "member.session_revoked"
    fact: SessionRevoked = events[-1].data
    assert (fact.reason, fact.realm) == ("password_changed", realm_of(email))
