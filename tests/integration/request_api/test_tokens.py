"""Grant tokens: only for an approval that is in the log, only for the one who asked, never for longer than the grant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from pydantic import SecretStr

from deploy.local.state import free_port
from services.request_api.proofs import Proofs
from shared.security.keys import JwksSource
from shared.security.tokens import grant_verifier
from shared.web.problems import Problem
from tests.integration.request_api.playing import serving
from tests.integration.request_api.world import SECRET, World


async def issued(here: World, person: Any, request_id: str) -> httpx.Response:
    return await here.http.post(f"/v1/requests/{request_id}/token", headers=here.session(person))


async def test_a_token_carries_who_and_which_grant_and_ends_with_it(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.approved(eve, tenant)
    answer = await issued(here, eve, made["id"])
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = JwksSource(f"{here.http.base_url}/.well-known/jwks.json", client)
        said = await grant_verifier(keys).verify(body["token"])
    assert (said.subject, said.tenant) == (eve.id, tenant)
    assert (said.grant_id, said.request_id) == (body["grant_id"], made["id"])
    over = datetime.fromisoformat(made["grant"]["access_until"])
    assert datetime.fromisoformat(body["access_until"]) == over
    assert abs(said.expires_at - over.timestamp()) < 1e-5
    (event,) = await here.events(made["id"], "access.token_issued")
    assert event.payload["token_id"] == sha256(body["token"].encode()).hexdigest()
    assert body["token"] not in event.raw.decode()


async def test_the_keys_are_published_without_their_private_half(here: World) -> None:
    keys = (await here.http.get("/.well-known/jwks.json")).json()["keys"]
    assert [(key["kty"], key["crv"], "d" in key) for key in keys] == [("OKP", "Ed25519", False)]


async def test_each_call_issues_another_token_and_both_work(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.approved(eve, tenant)
    key = {"Idempotency-Key": "the same"}
    url = f"/v1/requests/{made['id']}/token"
    answers = [await here.http.post(url, headers=here.session(eve) | key) for _ in range(2)]
    tokens = {answer.json()["token"] for answer in answers}
    assert len(tokens) == 2
    for token in tokens:
        assert (await here.act({"Authorization": f"Bearer {token}"})).status_code == 201
    assert len(await here.events(made["id"], "access.token_issued")) == 2


async def test_a_grant_with_many_long_resources_has_a_token_that_a_header_carries(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    resources = [{"id": f"exchange-online/{number:03}" + "x" * 200, "operations": ["read"]} for number in range(100)]
    made = await here.approved(eve, tenant, resources=resources)
    headers = await here.token(eve, made["id"])
    assert len(headers["Authorization"]) < 1500
    assert (await here.act(headers, f"{resources[99]['id']}/below")).status_code == 201


async def test_before_the_start_there_is_no_token(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    await here.approve(made["id"], access_from=datetime.now(UTC) + timedelta(hours=1))
    answer = await issued(here, eve, made["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "not_started")


async def test_after_the_end_there_is_no_token(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    await here.approve(made["id"], access_from=datetime.now(UTC) - timedelta(hours=2))
    answer = await issued(here, eve, made["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "access_ended")


async def test_a_call_waits_for_the_approval_to_reach_the_log(here: World) -> None:
    """The approval is handled here before the log has it: the two are not in one transaction."""
    tenant, eve = await here.tenant(), await here.person("engineer")
    for _ in range(5):
        made = await here.submit(eve, tenant)
        await here.approve(made["id"])
        assert (await issued(here, eve, made["id"])).status_code == 201


@asynccontextmanager
async def audit_that(answers: Response | dict[str, Any]) -> AsyncIterator[Proofs]:
    """Ask a stand-in for audit that always answers the same: the claim is about the asking."""
    app = FastAPI()

    @app.get("/internal/v1/events/{event_id}")
    async def place(event_id: str) -> Any:
        return answers if isinstance(answers, Response) else {"event_id": event_id} | answers

    async with httpx.AsyncClient(trust_env=False) as client, serving(app, free_port()) as url:
        yield Proofs(client, url, SecretStr(SECRET))


PLACE = {"tenant": "contoso", "origin": "o", "leaf_index": 3, "size": 4}


@pytest.mark.parametrize(
    "answers",
    [
        Response(status_code=404),
        Response(status_code=500),
        Response(status_code=200, content=b"no json"),
        Response(status_code=307, headers={"Location": "/"}),
        PLACE | {"tenant": "fabrikam"},
        PLACE | {"event_id": "another"},
        PLACE | {"leaf_index": 4},
        PLACE | {"leaf_index": -1},
        {"tenant": "contoso"},
    ],
)
async def test_without_a_sound_answer_from_audit_there_is_no_proof(answers: Any) -> None:
    async with audit_that(answers) as proofs:
        with pytest.raises(Problem) as refused:
            await proofs.position("event", "contoso")
    assert (refused.value.status, refused.value.code) == (503, "proof_unavailable")
    assert refused.value.headers["Retry-After"]


async def test_a_sound_answer_is_the_proof() -> None:
    async with audit_that(PLACE) as proofs:
        found = await proofs.position("event", "contoso")
    assert (found.origin, found.index, found.size) == ("o", 3, 4)


async def test_where_audit_does_not_answer_there_is_no_token_and_nothing_is_stored(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.approved(eve, tenant)
    core = here.core
    async with httpx.AsyncClient(trust_env=False) as client:
        unheard = Proofs(client, f"http://127.0.0.1:{free_port()}", SecretStr(SECRET))
        here.use(proofs=unheard)
        try:
            before = await here.stored()
            answer = await issued(here, eve, made["id"])
            assert (answer.status_code, answer.json()["code"]) == (503, "proof_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert await here.stored() == before
        finally:
            here.use(proofs=core.proofs)
    assert (await issued(here, eve, made["id"])).status_code == 201


async def test_what_ended_while_the_proof_was_awaited_gets_no_token(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.approved(eve, tenant)
    core = here.core
    waiting, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Proofs):
        async def position(self, event_id: str, tenant: str) -> Any:
            waiting.set()
            await go_on.wait()
            return await core.proofs.position(event_id, tenant)

    here.use(proofs=Slow.__new__(Slow))
    try:
        call = asyncio.create_task(issued(here, eve, made["id"]))
        await waiting.wait()
        withdrawn = await here.http.post(f"/v1/requests/{made['id']}/withdraw", headers=here.session(eve))
        assert withdrawn.status_code == 200
        go_on.set()
        answer = await call
    finally:
        here.use(proofs=core.proofs)
    assert (answer.status_code, answer.json()["code"]) == (409, "access_ended")
    assert await here.events(made["id"], "access.token_issued") == []
