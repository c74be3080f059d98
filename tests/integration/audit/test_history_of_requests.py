"""The history of requests as audit tells it: lists, each request with every event, and approved against done."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests import story
from tests.integration.audit.conftest import System
from tests.integration.audit.parts import append, recorded, refused, summarized, whole_life


async def listed(system: System, **params: Any) -> list[str]:
    """Follow the list to its end."""
    found: list[str] = []
    while True:
        answer = await system.http.get("/v1/requests", params=params, headers=system.auditor.headers())
        assert answer.status_code == 200, answer.text
        found += [item["id"] for item in answer.json()["items"]]
        if answer.json()["next_cursor"] is None:
            return found
        params["cursor"] = answer.json()["next_cursor"]


async def test_a_request_is_told_with_every_event_and_with_what_was_done(system: System) -> None:
    life = story.Life()
    events = [*whole_life(life), refused(life), summarized(life, 40)]
    await append(system.http, *events)
    answer = await system.http.get(f"/v1/requests/{life.id}", headers=system.dpo.headers())
    history = answer.json()
    assert (history["id"], history["state"], history["ended_by"]) == (life.id, "ended", "released")
    assert history["engineer"]["email"] == "eve@provider.example"
    assert history["duration"] == "PT2H"
    assert [decision["stage"] for decision in history["decisions"]] == ["provider"]
    assert history["grant"]["id"] == life.grant_id
    assert [event["id"] for event in history["events"]] == [event.id for event in events]
    indexes = [event["leafindex"] for event in history["events"]]
    assert indexes == sorted(indexes)
    assert history["next_cursor"] is None
    assert history["last_event"]["type"] == "lockbox.access.released.v1"
    assert history["comparison"] == {
        "approved": [{"id": "exchange-online/mailboxes/alice", "operations": ["read", "write"]}],
        "used": [
            {"id": "exchange-online/mailboxes/alice", "operations": ["read"], "actions": 1},
            {"id": "exchange-online/mailboxes/alice/inbox", "operations": ["read"], "actions": 1},
        ],
        "used_total": 2,
        "unused": [{"id": "exchange-online/mailboxes/alice", "operations": ["write"]}],
        "refused": 42,
    }


async def test_a_list_is_filtered_by_each_of_its_parameters(system: System) -> None:
    begun = datetime.now(UTC) + timedelta(days=1)
    other = story.Life(
        engineer=story.EVE.model_copy(update={"id": "another", "email": "Erin@provider.example"}), begun=begun
    )
    waiting, denied = story.Life(begun=begun + timedelta(minutes=1)), story.Life(begun=begun + timedelta(minutes=2))
    active = story.Life(begun=begun + timedelta(minutes=3))
    past = story.Life(begun=begun + timedelta(minutes=4), duration=timedelta(seconds=1))
    since = begun.isoformat().replace("+00:00", "Z")
    await append(
        system.http,
        other.submitted(),
        *(waiting.submitted(), waiting.provider_approved()),
        *(denied.submitted(), denied.provider_denied()),
        *(active.submitted(), active.provider_approved(), active.approved(), recorded(active)),
        *(past.submitted(), past.approved(access_from=datetime.now(UTC) - timedelta(hours=1))),
    )
    everything = [past.id, active.id, denied.id, waiting.id, other.id]
    assert await listed(system, since=since) == everything
    assert await listed(system, since=since, limit=2) == everything
    assert await listed(system, since=since, state="awaiting_provider") == [other.id]
    assert await listed(system, since=since, state="awaiting_customer") == [waiting.id]
    assert await listed(system, since=since, state="denied") == [denied.id]
    assert await listed(system, since=since, state="approved") == [active.id]
    # Nobody has told of its end yet: the clock alone ends it.
    assert await listed(system, since=since, state="ended") == [past.id]
    assert await listed(system, since=since, engineer="erin@provider.example") == [other.id]
    assert await listed(system, since=since, engineer="another") == [other.id]
    assert await listed(system, since=since, approver="MAX@provider.example") == [active.id, denied.id, waiting.id]
    assert await listed(system, since=since, service="exchange-online") == everything
    assert await listed(system, since=since, service="sharepoint-online") == []
    until = (begun + timedelta(minutes=2)).isoformat()
    assert await listed(system, since=since, until=until) == [waiting.id, other.id]
    assert await listed(system, since=since, tenant="contoso") == everything


async def test_a_request_whose_submission_is_not_in_the_log_yet_is_not_there(system: System) -> None:
    life = story.Life()
    await append(system.http, life.provider_approved())
    answer = await system.http.get(f"/v1/requests/{life.id}", headers=system.dpo.headers())
    assert answer.status_code == 404
    await append(system.http, life.submitted())
    answer = await system.http.get(f"/v1/requests/{life.id}", headers=system.dpo.headers())
    assert answer.json()["state"] == "awaiting_customer"
    assert [event["type"].split(".")[2] for event in answer.json()["events"]] == ["provider_approved", "submitted"]


async def test_what_another_tenants_log_says_of_a_request_is_not_shown(system: System) -> None:
    """An event in another log that names this request as its own belongs to that log's picture alone."""
    life = story.Life()
    intruder = story.Life("fabrikam", id=life.id)
    await append(system.http, life.submitted(), intruder.withdrawn(), recorded(intruder))
    history = (await system.http.get(f"/v1/requests/{life.id}", headers=system.dpo.headers())).json()
    assert history["state"] == "awaiting_provider"
    assert {event["tenantid"] for event in history["events"]} == {"contoso"}
    assert history["comparison"]["used"] == []
    answer = await system.http.get(f"/v1/requests/{life.id}", headers=system.fabrikam.headers())
    assert answer.status_code == 404
