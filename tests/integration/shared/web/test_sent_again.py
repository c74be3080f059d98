"""A call with an Idempotency-Key through HTTP, on a real database: sent again, at once or after a lost answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import Request
from pydantic import SecretStr

from shared.database.pool import Pool, open_pool, transaction
from shared.web.answers import answer, to_json
from shared.web.app import make_app, openapi
from shared.web.bodies import Router
from shared.web.fields import Body, Name
from shared.web.idempotency import DOCUMENTED, BodyDigest, IdempotencyKey, claim_of, claim_one, store_one
from shared.web.problems import Problem
from tests.servers import Databases
from tests.unit.shared.web.example import calling, example_settings

digest = BodyDigest(SecretStr("0123456789abcdef0123456789abcdef"))


# The tenant's counter stands for any effect: how often was it made?
EFFECT = """
INSERT INTO sequences AS kept (tenant, last) VALUES ($1, 1)
ON CONFLICT (tenant) DO UPDATE SET last = kept.last + 1 RETURNING last
"""


class Thing(Body):
    name: Name


def routes(pool: Pool) -> Router:
    router = Router()

    @router.post("/v1/{owner}/things", status_code=201, openapi_extra=DOCUMENTED)
    async def make(owner: str, thing: Thing, request: Request, key: IdempotencyKey) -> Any:
        claim = await claim_of(request, key, caller=f"provider:{owner}", digest=digest)
        async with transaction(pool) as connection:
            if (made := await claim_one(connection, claim)) is not None:
                return made.response()
            number = await connection.fetchval(EFFECT, thing.name)
            if thing.name == "refused":
                raise Problem(409, "already_there", "Choose another name.")
            body = to_json({"id": number, "name": thing.name})
            await store_one(connection, claim, 201, body)
        return answer(body, 201)

    return router


@pytest.fixture
async def pool(make_database: Databases) -> AsyncIterator[Pool]:
    opened = await open_pool(await make_database("approval"), service="approval", size=12)
    yield opened
    await opened.close()


@pytest.fixture
async def client(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app("approval", example_settings(), title="An example", routers=[routes(pool)])
    async with calling(app) as opened:
        yield opened


async def effects(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT coalesce(sum(last), 0) FROM sequences"))


async def test_a_call_sent_again_has_one_effect_and_one_answer(client: httpx.AsyncClient, pool: Pool) -> None:
    headers = {"Idempotency-Key": "0193f2a0-0000-7000-8000-000000000000"}
    first = await client.post("/v1/eve/things", json={"name": "box"}, headers=headers)
    again = await client.post("/v1/eve/things", json={"name": "box"}, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, b'{"id":1,"name":"box"}')
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert await effects(pool) == 1


async def test_twenty_calls_at_once_have_one_effect_and_one_answer(client: httpx.AsyncClient, pool: Pool) -> None:
    headers = {"Idempotency-Key": "k"}
    sent = (client.post("/v1/eve/things", json={"name": "box"}, headers=headers) for _ in range(20))
    answers = await asyncio.gather(*sent)
    assert {(one.status_code, one.content) for one in answers} == {(201, b'{"id":1,"name":"box"}')}
    assert await effects(pool) == 1


async def test_without_a_key_each_call_has_its_effect(client: httpx.AsyncClient, pool: Pool) -> None:
    for _ in range(2):
        await client.post("/v1/eve/things", json={"name": "box"})
    assert await effects(pool) == 2


async def test_another_body_is_refused_and_has_no_effect(client: httpx.AsyncClient, pool: Pool) -> None:
    headers = {"Idempotency-Key": "k"}
    await client.post("/v1/eve/things", json={"name": "box"}, headers=headers)
    other = await client.post("/v1/eve/things", json={"name": "chest"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await effects(pool) == 1


async def test_a_refused_call_has_no_effect_and_leaves_its_key_free(client: httpx.AsyncClient, pool: Pool) -> None:
    headers = {"Idempotency-Key": "k"}
    refused = await client.post("/v1/eve/things", json={"name": "refused"}, headers=headers)
    assert refused.status_code == 409
    assert await effects(pool) == 0
    assert (await client.post("/v1/eve/things", json={"name": "box"}, headers=headers)).status_code == 201


async def test_a_key_counts_for_its_address_alone(client: httpx.AsyncClient, pool: Pool) -> None:
    for owner in ("eve", "erin"):
        headers = {"Idempotency-Key": "k"}
        assert (await client.post(f"/v1/{owner}/things", json={"name": "box"}, headers=headers)).status_code == 201
    assert await effects(pool) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "caf\u00e9"])
async def test_what_cannot_be_a_key_is_refused(client: httpx.AsyncClient, pool: Pool, key: str) -> None:
    sent = {b"Idempotency-Key": key.encode()}
    refused = await client.post("/v1/eve/things", json={"name": "box"}, headers=sent)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "Idempotency-Key"
    assert await effects(pool) == 0


async def test_two_keys_are_refused(client: httpx.AsyncClient, pool: Pool) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert (await client.post("/v1/eve/things", json={"name": "box"}, headers=headers)).status_code == 422
    assert await effects(pool) == 0


async def test_the_document_names_the_header(pool: Pool) -> None:
    app = make_app("approval", example_settings(), title="An example", routers=[routes(pool)])
    parameters = openapi(app)["paths"]["/v1/{owner}/things"]["post"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["owner", "Idempotency-Key"]
