"""The log as it grows: the stream for readers, and the other services' wait for an event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from shared.events.envelope import new_id
from tests import story
from tests.integration.audit.conftest import System
from tests.integration.audit.parts import INTERNAL, append, count, ingest, somebody

STREAM = "/v1/events/stream"


@asynccontextmanager
async def following(
    system: System, headers: dict[str, str], **params: Any
) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
    """Open the stream; gives an iterator of ids and events."""
    async with system.http.stream("GET", STREAM, headers=headers, params=params) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    cursor = ""
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            cursor = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield cursor, orjson.loads(line.removeprefix("data: "))


async def test_a_stream_starts_now_and_resumes_where_its_reader_left_it(system: System) -> None:
    headers = system.auditor.headers()
    lives = [story.Life() for _ in range(6)]
    events = [life.submitted() for life in lives]
    async with following(system, headers) as stream:
        for event in events[:2]:
            await append(system.http, event)
            cursor, seen = await anext(stream)
            assert seen["id"] == event.id
            assert seen["logorigin"] == "lockbox.example/log/t/contoso"
    await append(system.http, *events[2:4])
    async with following(system, headers | {"Last-Event-ID": cursor}, after=first_cursor(system)) as stream:
        assert [(await anext(stream))[1]["id"] for _ in range(2)] == [event.id for event in events[2:4]]
    async with following(system, headers, after=cursor, subject=lives[3].id) as stream:
        cursor, seen = await anext(stream)
        assert seen["id"] == events[3].id
    page = (await system.http.get("/v1/events", params={"after": cursor}, headers=headers)).json()
    assert [event["id"] for event in page["events"] if event["type"] != "lockbox.log.read.v1"] == []


def first_cursor(system: System) -> str:
    from services.audit.api.parts import cursor_of

    return cursor_of(system.auditor.realm, 0)


async def test_who_follows_is_on_record_before_the_first_event(system: System) -> None:
    before = await count(system.pool, "lockbox.log.read.v1", "contoso")
    async with following(system, system.auditor.headers()):
        assert await count(system.pool, "lockbox.log.read.v1", "contoso") == before + 1


async def test_a_stream_ends_when_its_reader_may_read_no_more(system: System) -> None:
    person = somebody("short@contoso.example", "contoso", "auditor")
    await append(system.http, *person.events())
    async with following(system, person.headers()) as stream:
        await append(system.http, story.role_removed(person.person, "auditor"))
        secret = story.Life().submitted()
        await append(system.http, secret)
        async with asyncio.timeout(5):
            seen = [event["id"] async for _, event in stream]
        assert secret.id not in seen


async def test_another_service_is_answered_as_soon_as_the_event_is_in_the_log(system: System) -> None:
    life = story.Life()
    event = life.approved()
    place = f"/internal/v1/events/{event.id}"
    assert (await system.http.get(place, headers=INTERNAL)).status_code == 404
    waiting = asyncio.create_task(system.http.get(place, params={"wait": 5}, headers=INTERNAL))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await ingest(system.pool, [event])
    answer = (await waiting).json()
    size = await system.pool.fetchval("SELECT size FROM heads WHERE tenant = 'contoso'")
    assert answer["event_id"] == event.id
    assert (answer["tenant"], answer["origin"]) == ("contoso", "lockbox.example/log/t/contoso")
    assert (answer["leaf_index"], answer["size"]) == (size - 1, size)
    assert (answer["type"], answer["source"]) == (event.type, event.source)


async def test_another_service_waits_no_longer_than_it_said(system: System) -> None:
    params = {"wait": 0.2}
    answer = await system.http.get(f"/internal/v1/events/{new_id()}", params=params, headers=INTERNAL)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_services_reads_are_in_no_log(system: System) -> None:
    before = await count(system.pool, "lockbox.log.read.v1")
    await system.http.get(f"/internal/v1/events/{new_id()}", headers=INTERNAL)
    assert await count(system.pool, "lockbox.log.read.v1") == before


async def test_an_operator_rebuilds_a_projection_while_readers_read(system: System) -> None:
    life = story.Life()
    await append(system.http, life.submitted(), life.provider_denied())
    for name in ("directory", "requests", "usage"):
        answer = await system.http.post(f"/internal/v1/projections/{name}/rebuild", headers=INTERNAL)
        assert answer.json()["position"] >= 2
    history = (await system.http.get(f"/v1/requests/{life.id}", headers=system.auditor.headers())).json()
    assert history["state"] == "denied"


async def test_readiness_looks_at_the_projections(system: System) -> None:
    answer = await system.http.get("/readyz")
    assert answer.status_code == 200, answer.text
    assert answer.json()["checks"]["projections"] == "ok"
