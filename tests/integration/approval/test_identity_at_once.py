"""Many things at once about one person: each is answered, none waits in a circle, and what is left fits together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import httpx
import pyotp
import pytest

from services.approval import lockout, sign_in_watch
from shared.security import passwords
from tests.authenticator import Authenticator
from tests.integration.approval.system import PASSWORD, Approval, types

ORIGIN, RP_ID = "https://lockbox.example", "lockbox.example"
DPO = "dpo@contoso.example"
EXPECTED = {200, 201, 204, 401, 403, 404, 409, 422, 429}


@pytest.fixture(autouse=True)
async def patient(approval: Approval, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Lock nobody out, for that is not what these tests are about, and give the portal a name."""
    for name in ("ACCOUNT", "ADDRESS"):
        monkeypatch.setattr(lockout, name, replace(getattr(lockout, name), free=1000))
    parts = approval.app.state.parts
    named = approval.settings.model_copy(update={"portal_url": ORIGIN})
    approval.app.state.parts = replace(parts, settings=named)
    yield
    approval.app.state.parts = parts


async def test_signing_in_deciding_and_changing_factors_at_once_never_ends_in_a_fault(
    approval: Approval, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the cost of Argon2, so that they really meet in the database.
    monkeypatch.setattr(passwords, "_verify", lambda stored, given: given == PASSWORD)
    await approval.token(DPO)
    begun = await approval.done(DPO, "/v1/me/factors/totp", {"password": PASSWORD})
    totp = pyotp.TOTP(begun["secret"])
    confirmed = await approval.done(DPO, f"/v1/me/factors/totp/{begun['factor_id']}/confirm", {"code": totp.now()})
    waiting = [await approval.passed_on() for _ in range(6)]

    async def sign_in(wrong: bool) -> httpx.Response:
        code = f"{random.randrange(10**6):06}" if wrong else totp.now()
        body = {"realm": "contoso", "email": DPO, "password": PASSWORD, "code": code}
        return await approval.http.post("/v1/sessions", json=body)

    async def decide(request_id: str) -> httpx.Response:
        return await approval.call(DPO, "POST", f"/v1/requests/{request_id}/approve", {"code": totp.now()})

    async def register() -> httpx.Response:
        asked = await approval.call(DPO, "POST", "/v1/me/factors/passkey/options", {"password": PASSWORD})
        made = Authenticator(ORIGIN, RP_ID).create(asked.json()["publicKey"])
        return await approval.call(DPO, "POST", "/v1/me/factors/passkey", {"name": "Key", "credential": made})

    async def remove() -> httpx.Response:
        path = f"/v1/me/factors/{confirmed['id']}/remove"
        return await approval.call(DPO, "POST", path, {"password": PASSWORD})

    async def tell() -> httpx.Response:
        await sign_in_watch.tell(approval.pool, settled=timedelta(0), once_in=timedelta(0))
        return httpx.Response(200)

    work: list[Callable[[], Awaitable[httpx.Response]]] = []
    for request_id in waiting:
        work += [partial(decide, request_id), partial(sign_in, True), partial(sign_in, False), register, tell]
    work.append(remove)
    random.shuffle(work)
    answers = await asyncio.gather(*(one() for one in work))
    assert {one.status_code for one in answers} <= EXPECTED

    me = (await approval.call(DPO, "GET", "/v1/me")).json()
    events = await approval.published((await approval.member(DPO)).id)
    told = types(events)
    left = {event.payload["factor_id"] for event in events if types([event]) == ["member.factor_added"]} - {
        event.payload["factor_id"] for event in events if types([event]) == ["member.factor_removed"]
    }
    assert {factor["id"] for factor in me["factors"]} == left
    assert told.count("member.factor_removed") == 1
    revisions = await approval.pool.fetch(
        "SELECT revision FROM events WHERE subject = $1 AND revision IS NOT NULL ORDER BY sequence", me["id"]
    )
    numbers = [row["revision"] for row in revisions]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_password_that_changes_while_people_sign_in_lets_no_old_one_through(approval: Approval) -> None:
    email = "admin@contoso.example"
    token = await approval.token(email)

    async def sign_in() -> httpx.Response:
        body = {"realm": "contoso", "email": email, "password": PASSWORD}
        return await approval.http.post("/v1/sessions", json=body)

    async def change() -> httpx.Response:
        body = {"current": PASSWORD, "new": "four quiet words here"}
        return await approval.call(email, "POST", "/v1/me/password", body)

    answers = await asyncio.gather(*(sign_in() for _ in range(4)), change(), *(sign_in() for _ in range(4)))
    assert answers[4].status_code == 200
    # Each session that began before the change has ended with it, whoever was first.
    live = await approval.pool.fetch(
        """SELECT s.id FROM sessions s JOIN members m ON m.id = s.member_id
           WHERE m.email = $1 AND s.ended_at IS NULL AND s.expires_at > clock_timestamp()""",
        email,
    )
    assert len(live) == 1
    assert (await approval.http.get("/v1/me", headers={"authorization": f"Bearer {token}"})).status_code == 200
