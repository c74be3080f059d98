"""Pages of the log: every event once, in order, byte for byte, and nothing that commits late is ever skipped."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from services.audit.store import events as event_store
from services.audit.store import log as log_store
from shared.events.envelope import Event, read
from tests import story
from tests.integration.audit.conftest import System
from tests.integration.audit.parts import append, ingest, recorded, whole_life


async def read_all(system: System, headers: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    """Follow the cursor to the end."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await system.http.get("/v1/events", params={**params, **cursor}, headers=headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        if not page["events"]:
            return found
        found += page["events"]
        cursor = {"after": page["next_cursor"]}


async def test_pages_give_every_event_once_in_the_logs_order(system: System) -> None:
    headers = system.auditor.headers()
    await append(system.http, *(event for _ in range(5) for event in whole_life(story.Life())))
    await system.http.get("/v1/events", params={"limit": 1}, headers=headers)
    events = await read_all(system, headers, limit=7)
    assert [event["leafindex"] for event in events] == list(range(len(events)))
    assert len({event["id"] for event in events}) == len(events) > 35


async def test_an_event_is_shown_with_its_place_outside_its_own_bytes(system: System) -> None:
    life = story.Life(detail='Zürich "北京" \U0001f511 \u2028 \\ /')
    event = life.submitted()
    await append(system.http, event)
    headers = system.auditor.headers()
    raw = await system.http.get(f"/v1/events/{event.id}/bytes", headers=headers)
    assert (raw.content, raw.headers["content-type"]) == (event.raw, "application/cloudevents+json")
    one = await system.http.get(f"/v1/events/{event.id}", headers=headers)
    shown = one.json()
    assert one.content.startswith(event.raw[:-1] + b',"leafindex":')
    assert {shown.pop("leafindex"), shown.pop("logorigin")} == {
        await system.pool.fetchval("SELECT leaf_index FROM leaves WHERE event_id = $1", event.id),
        "lockbox.example/log/t/contoso",
    }
    assert shown == orjson.loads(event.raw)
    upper = await system.http.get(f"/v1/events/{event.id.upper()}/bytes", headers=headers)
    assert upper.content == event.raw


async def test_an_event_that_brings_our_extensions_along_cannot_pretend(system: System) -> None:
    event = story.Life().submitted()
    body = orjson.loads(event.raw) | {"leafindex": 0, "logorigin": "evil.example/t/contoso"}
    forged = read(orjson.dumps(body))
    await append(system.http, forged)
    headers = system.auditor.headers()
    answer = await system.http.get(f"/v1/events/{event.id}", headers=headers)
    assert answer.text.count('"leafindex"') == answer.text.count('"logorigin"') == 1
    assert answer.json()["logorigin"] == "lockbox.example/log/t/contoso"
    assert (await system.http.get(f"/v1/events/{event.id}/bytes", headers=headers)).content == forged.raw


async def test_filters_narrow_and_the_cursor_moves_past_what_they_leave_out(system: System) -> None:
    headers = system.auditor.headers()
    old, life, person = story.Life(), story.Life(), story.member("someone@contoso.example")
    events = [*whole_life(old), *whole_life(life), story.member_added(person)]
    await append(system.http, *events)

    async def ids(**params: Any) -> list[str]:
        return [event["id"] for event in await read_all(system, headers, **params)]

    kinds = ["lockbox.action.recorded.v1", "lockbox.access.released.v1"]
    assert await ids(subject=life.id, type=kinds, limit=2) == [
        event.id for event in events if event.subject == life.id and event.type in kinds
    ]
    assert await ids(subject=life.id) == [event.id for event in events if event.subject == life.id]
    assert await ids(subject=person.id) == [events[-1].id]
    since = events[7].time.isoformat().replace("+00:00", "Z")
    assert (await ids(since=since))[:8] == [event.id for event in events[7:]]
    assert await ids(since=(datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    empty = (await system.http.get("/v1/events", params={"subject": "nobody"}, headers=headers)).json()
    assert empty["events"] == []
    follow = {"after": empty["next_cursor"]}
    assert (await system.http.get("/v1/events", params=follow, headers=headers)).json() == {
        "events": [],
        "next_cursor": empty["next_cursor"],
    }


async def test_lines_of_json_carry_the_cursor_in_a_header(system: System) -> None:
    headers = system.auditor.headers()
    page = (await system.http.get("/v1/events", params={"limit": 5}, headers=headers)).json()
    answer = await system.http.get(
        "/v1/events", params={"limit": 5}, headers=headers | {"Accept": "application/x-ndjson"}
    )
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [orjson.loads(line) for line in answer.content.splitlines()] == page["events"]
    assert answer.content.endswith(b"\n")
    assert answer.headers["x-next-cursor"] == page["next_cursor"]


async def test_a_page_of_large_events_is_cut_and_goes_on(system: System, monkeypatch: Any) -> None:
    lives = [story.Life(detail="x" * 4000) for _ in range(6)]
    await append(system.http, *(life.submitted() for life in lives))
    monkeypatch.setattr(event_store, "PAGE_BYTES", 9000)
    headers = system.auditor.headers()
    first = await system.http.get("/v1/events", params={"subject": lives[0].id}, headers=headers)
    assert len(first.json()["events"]) == 1
    await system.http.get("/v1/events", headers=headers)
    events = await read_all(system, headers, limit=1000)
    assert [event["leafindex"] for event in events] == list(range(len(events)))


async def test_a_waiting_reader_is_woken_by_what_he_waits_for(system: System) -> None:
    headers = system.auditor.headers()
    life = story.Life()
    await read_all(system, headers)
    cursor = (await system.http.get("/v1/events", params={"subject": life.id}, headers=headers)).json()["next_cursor"]
    params = {"after": cursor, "wait": 20, "subject": life.id}
    waiting = asyncio.create_task(system.http.get("/v1/events", params=params, headers=headers))
    await asyncio.sleep(0.2)
    # Something that his filter leaves out does not answer him.
    await append(system.http, story.Life().submitted())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    event = life.submitted()
    await append(system.http, event)
    answer = (await waiting).json()
    assert [one["id"] for one in answer["events"]] == [event.id]
    assert answer["next_cursor"] != cursor


async def test_a_reader_who_waits_in_vain_gets_a_cursor(system: System) -> None:
    headers = system.auditor.headers()
    answer = await system.http.get("/v1/events", params={"subject": "nobody", "wait": 1}, headers=headers)
    assert answer.json()["events"] == []
    assert answer.json()["next_cursor"]


async def test_a_cursor_never_skips_what_commits_late(system: System) -> None:
    """Several appenders, each with pauses inside its transaction, and readers who follow all the while."""
    events = [story.Life(f"late-{number % 3}").submitted() for number in range(90)]
    headers = system.ada.headers()
    stop = asyncio.Event()

    async def follow() -> list[str]:
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            ended = stop.is_set()
            page = (await system.http.get("/v1/events", params={**cursor, "limit": 50}, headers=headers)).json()
            seen += [event["id"] for event in page["events"]]
            cursor = {"after": page["next_cursor"]}
            if ended and not page["events"]:
                return seen

    async def write(mine: list[Event]) -> None:
        for event in mine:
            await ingest(system.pool, [event])
            await asyncio.sleep(random.random() / 500)

    readers = [asyncio.create_task(follow()) for _ in range(2)]
    await asyncio.gather(*(write(events[number::5]) for number in range(5)))
    stop.set()
    positions = await system.pool.fetch("SELECT event_id::text AS id FROM leaves ORDER BY position")
    for seen in await asyncio.gather(*readers):
        assert seen == [row["id"] for row in positions][: len(seen)]
        assert {event.id for event in events} <= set(seen)


async def test_an_append_that_has_not_committed_holds_back_what_comes_after_it(system: System) -> None:
    first, second = story.Life().submitted(), story.Life().submitted()
    async with system.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await log_store.lock(connection)
        await log_store.append(connection, [first])
        later = asyncio.create_task(ingest(system.pool, [second]))
        await asyncio.sleep(0.1)
        assert not later.done()
        assert await system.pool.fetchval("SELECT count(*) FROM leaves WHERE event_id = $1", second.id) == 0
        await transaction.commit()
        await later
    order = await system.pool.fetch(
        "SELECT event_id::text AS id FROM leaves WHERE event_id = ANY($1::uuid[]) ORDER BY position",
        [first.id, second.id],
    )
    assert [row["id"] for row in order] == [first.id, second.id]


async def test_thousands_of_actions_come_in_pages(system: System) -> None:
    life = story.Life()
    events = [life.submitted(), life.provider_approved(), life.approved()]
    events += [recorded(life, f"exchange-online/mailboxes/alice/{number % 1500:04d}") for number in range(2500)]
    await append(system.http, *events)
    headers = system.auditor.headers()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer: httpx.Response = await system.http.get(f"/v1/requests/{life.id}", params=cursor, headers=headers)
        history = answer.json()
        seen += [event["id"] for event in history["events"]]
        assert len(history["events"]) <= 1000
        if history["next_cursor"] is None:
            break
        cursor = {"cursor": history["next_cursor"]}
    assert seen == [event.id for event in events]
    comparison = history["comparison"]
    assert comparison["used_total"] == 1500
    assert len(comparison["used"]) == 1000
    assert comparison["unused"] == [{"id": "exchange-online/mailboxes/alice", "operations": ["write"]}]
