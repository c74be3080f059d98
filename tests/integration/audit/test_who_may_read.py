"""Who sees which log, and that each read stands in it."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.events.envelope import new_id, read
from shared.security.keys import signing_key
from shared.security.tokens import SESSION_AUDIENCES
from tests import story
from tests.integration.audit.conftest import System
from tests.integration.audit.parts import append, caught_up, count, somebody
from tests.kernel import until

READ = "lockbox.log.read.v1"
PLACES = ("/v1/events", "/v1/requests", f"/v1/events/{new_id()}", f"/v1/requests/{new_id()}", "/v1/events/stream")


@pytest.mark.parametrize("reader", ["admin", "dpo", "auditor"])
async def test_a_tenants_readers_see_their_own_log_alone(reader: str, system: System) -> None:
    headers = getattr(system, reader).headers()
    answer = await system.http.get("/v1/events", params={"limit": 1000}, headers=headers)
    assert answer.status_code == 200
    events = answer.json()["events"]
    assert {event["tenantid"] for event in events} == {"contoso"}
    assert [event["leafindex"] for event in events] == list(range(len(events)))
    assert {event["logorigin"] for event in events} == {"lockbox.example/log/t/contoso"}
    assert (await system.http.get("/v1/events", params={"tenant": "contoso"}, headers=headers)).status_code == 200
    for other in ("fabrikam", "provider", "not-there"):
        for place in ("/v1/events", "/v1/requests", "/v1/events/stream"):
            refusal = await system.http.get(place, params={"tenant": other}, headers=headers)
            assert (refusal.status_code, refusal.json()["code"]) == (404, "not_found")


async def test_a_role_from_people_and_from_an_issuer_lets_read_until_both_have_taken_it(system: System) -> None:
    both = somebody("both@contoso.example", "contoso", "auditor")
    await append(system.http, *both.events())
    through = new_id()
    taken = [
        (story.role_assigned(both.person, "auditor", through=through), 200),
        (story.role_removed(both.person, "auditor", through=through), 200),
        (story.role_assigned(both.person, "auditor", through=through), 200),
        (story.role_removed(both.person, "auditor"), 200),
        (story.role_removed(both.person, "auditor", through=through), 403),
    ]
    for event, status in taken:
        await append(system.http, event)
        assert (await system.http.get("/v1/events", headers=both.headers())).status_code == status


async def test_another_tenants_event_and_request_look_as_if_they_were_not_there(system: System) -> None:
    life = story.Life("fabrikam")
    event = life.submitted()
    await append(system.http, event)
    for place in (f"/v1/events/{event.id}", f"/v1/events/{event.id}/bytes", f"/v1/requests/{life.id}"):
        theirs = await system.http.get(place, headers=system.fabrikam.headers())
        assert theirs.status_code == 200
        ours = await system.http.get(place, headers=system.auditor.headers())
        elsewhere = place.replace(event.id, new_id()).replace(life.id, new_id())
        unknown = await system.http.get(elsewhere, headers=system.auditor.headers())
        assert ours.status_code == unknown.status_code == 404
        assert ours.json() == unknown.json()


async def test_the_providers_auditor_sees_every_log(system: System) -> None:
    headers = system.ada.headers()
    answer = await system.http.get("/v1/events", params={"limit": 1000}, headers=headers)
    assert {event["tenantid"] for event in answer.json()["events"]} == {"contoso", "fabrikam", "provider"}
    for tenant in ("contoso", "provider"):
        events = (await system.http.get("/v1/events", params={"tenant": tenant}, headers=headers)).json()["events"]
        assert {event["logorigin"] for event in events} == {f"lockbox.example/log/t/{tenant}"}
        assert [event["leafindex"] for event in events] == list(range(len(events)))
    assert (await system.http.get("/v1/events", params={"tenant": "not-there"}, headers=headers)).status_code == 404


@pytest.mark.parametrize("caller", ["helpdesk", "nobody", "max"])
async def test_others_are_told_who_may(caller: str, system: System) -> None:
    before = await count(system.pool, READ)
    for place in PLACES:
        answer = await system.http.get(place, headers=getattr(system, caller).headers())
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "auditor" in answer.json()["detail"]
    assert await count(system.pool, READ) == before


async def test_a_bad_token_is_refused_everywhere_and_nothing_is_noted(system: System) -> None:
    dpo, now = system.dpo, datetime.now(UTC)
    other_key = signing_key(Ed25519PrivateKey.generate())
    tokens = {
        "expired": dpo.token(now=now - timedelta(hours=2)),
        "signed by nobody": dpo.token(key=other_key),
        "for another audience": dpo.token(audience=[one for one in SESSION_AUDIENCES if "audit" not in one]),
        "of another issuer": dpo.token(issuer="somebody"),
        "no token": "abc.def.ghi",
        "cut": dpo.token()[:-8],
    }
    before = await count(system.pool, READ)
    for place in PLACES:
        answer = await system.http.get(place)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        for token in tokens.values():
            answer = await system.http.get(place, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
            assert answer.headers["content-type"] == "application/problem+json"
    assert await count(system.pool, READ) == before


async def test_a_token_of_another_realm_gives_no_right_there(system: System) -> None:
    """The realm's roles are looked up, so a member's id of one realm is nobody in another."""
    for realm in ("fabrikam", "provider"):
        answer = await system.http.get("/v1/events", headers=system.admin.headers(realm=realm))
        assert answer.status_code == 403


async def test_roles_count_at_the_moment_of_the_call(system: System) -> None:
    person = somebody("new@contoso.example", "contoso", "auditor")
    headers = person.headers()
    assert (await system.http.get("/v1/events", headers=headers)).status_code == 403
    await append(system.http, *person.events())
    assert (await system.http.get("/v1/events", headers=headers)).status_code == 200
    await append(system.http, story.role_removed(person.person, "auditor"))
    assert (await system.http.get("/v1/events", headers=headers)).status_code == 403
    await append(system.http, story.role_assigned(person.person, "lockbox_approver"))
    assert (await system.http.get("/v1/events", headers=headers)).status_code == 200
    await append(system.http, story.member_removed(person.person))
    assert (await system.http.get("/v1/events", headers=headers)).status_code == 401
    # Added again, he has none of his old roles.
    await append(system.http, story.member_added(person.person))
    assert (
        await system.http.get("/v1/events", headers=person.headers(now=datetime.now(UTC) + timedelta(seconds=2)))
    ).status_code == 403


async def test_an_ended_session_reads_no_more(system: System) -> None:
    person = somebody("often@contoso.example", "contoso", "auditor")
    first, second, third = new_id(), new_id(), new_id()
    await append(system.http, *person.events())
    await append(system.http, person.sessions_revoked(session_id=first))
    assert (await system.http.get("/v1/events", headers=person.headers(session_id=first))).status_code == 401
    headers = person.headers(session_id=second)
    assert (await system.http.get("/v1/events", headers=headers)).status_code == 200
    await append(system.http, person.sessions_revoked(before=datetime.now(UTC) + timedelta(seconds=1)))
    assert (await system.http.get("/v1/events", headers=headers)).status_code == 401
    later = person.headers(session_id=third, now=datetime.now(UTC) + timedelta(seconds=3))
    assert (await system.http.get("/v1/events", headers=later)).status_code == 200


async def test_who_is_in_doubt_waits_until_an_operator_has_looked(system: System) -> None:
    person = somebody("doubt@contoso.example", "contoso", "auditor")
    headers = person.headers()
    await append(system.http, *person.events())
    poison = story.role_removed(person.person, "auditor")
    body = orjson.loads(poison.raw)
    del body["data"]["role"]
    await append(system.http, read(orjson.dumps(body)))
    answer = await system.http.get("/v1/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "state_unknown")


async def test_a_token_is_noted_once_an_hour_in_its_tenants_log(system: System) -> None:
    before = await count(system.pool, READ, "contoso")
    session = new_id()
    headers = system.dpo.headers(session_id=session)
    for place in ("/v1/events", "/v1/requests", "/v1/events"):
        assert (await system.http.get(place, headers=headers)).status_code == 200
    assert await count(system.pool, READ, "contoso") == before + 1
    await caught_up(system.http)
    events = (await system.http.get("/v1/events", params={"type": READ, "limit": 1000}, headers=headers)).json()[
        "events"
    ]
    note = events[-1]
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    assert note["source"] == "/services/audit"
    assert (note["subject"], note["actorid"], note["actortype"]) == (system.dpo.person.id,) * 2 + ("member",)
    assert note["data"]["email"] == "dpo@contoso.example"
    assert note["data"]["tenants"] == ["contoso"]
    assert datetime.fromisoformat(note["data"]["hour"]) == hour
    # Another token of the same person is another read, and the next hour too.
    await system.http.get("/v1/events", headers=system.dpo.headers())
    assert await count(system.pool, READ, "contoso") == before + 2
    await system.pool.execute("UPDATE reads SET hour = hour - interval '1 hour' WHERE token_id = $1", session)
    await system.http.get("/v1/events", headers=headers)
    assert await count(system.pool, READ, "contoso") == before + 3


async def test_a_tenant_sees_that_the_providers_auditor_read_its_log(system: System) -> None:
    async def notes() -> dict[str, int]:
        return {tenant: await count(system.pool, READ, tenant) for tenant in ("contoso", "fabrikam", "provider")}

    headers, before = system.ada.headers(), await notes()
    await system.http.get("/v1/events", params={"tenant": "contoso"}, headers=headers)
    after = await notes()
    assert after == before | {"contoso": before["contoso"] + 1, "provider": before["provider"] + 1}
    await system.http.get("/v1/events", params={"limit": 1000}, headers=headers)
    assert await notes() == after | {"fabrikam": after["fabrikam"] + 1}
    await system.http.get("/v1/events", params={"limit": 1000}, headers=headers)
    assert await notes() == after | {"fabrikam": after["fabrikam"] + 1}


async def test_the_note_goes_out_to_the_broker_and_comes_back_as_a_duplicate(system: System) -> None:
    await system.http.get("/v1/events", headers=system.auditor.headers())
    before = await count(system.pool, READ)

    async def sent() -> bool:
        unsent = "SELECT NOT EXISTS (SELECT FROM sequences s JOIN relay r USING (tenant) WHERE s.last > r.confirmed)"
        done: bool = await system.pool.fetchval(unsent)
        return done and await system.pool.fetchval("SELECT count(*) FROM relay") > 0

    await until(sent)
    in_outbox = await system.pool.fetch("SELECT id::text, body FROM events WHERE type = $1", READ)
    in_log = await system.pool.fetch(
        "SELECT event_id::text, body FROM leaves JOIN payloads USING (position) WHERE type = $1", READ
    )
    assert sorted(map(tuple, in_outbox)) == sorted(map(tuple, in_log))
    # What was published after them has been taken from the queue behind them.
    marker = story.Life().submitted()
    await append(system.http, marker)
    assert await count(system.pool, READ) == before
