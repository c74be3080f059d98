"""Submissions: many callers in one commit, each with his own answer, once for each key."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from shared.events.values import Person
from tests.integration.request_api.world import World, asked


async def posted(here: World, person: Person, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    headers = here.session(person) | ({} if key is None else {"Idempotency-Key": key})
    return await here.http.post("/v1/requests", json=body, headers=headers)


async def test_a_submission_is_answered_and_published_as_it_was_asked(here: World) -> None:
    tenant, engineer = await here.tenant(window=timedelta(minutes=30)), await here.person("engineer")
    made = await here.submit(engineer, tenant, ticket="INC-7", starts_at=None)
    (event,) = await here.events(made["id"])
    said = event.data
    assert (event.tenant, event.subject, event.correlation_id) == (tenant, made["id"], made["id"])
    assert (event.actor.id, event.actor.type) == (engineer.id, "engineer")
    assert said.ticket == made["ticket"] == "INC-7"
    assert said.decide_by - said.submitted_at == timedelta(minutes=30)
    assert said.submitted_at == event.time
    assert (said.engineer.employer, said.engineer.job_title, said.engineer.country) == ("Provider Ltd", "Support", "IE")
    assert made["engineer"]["email"] == engineer.email
    assert made["duration"] == "PT2H"
    assert made["state"] == "awaiting_provider"
    assert made["grant"] is None


async def test_concurrent_submissions_are_told_apart_refusals_among_them(here: World) -> None:
    tenants = [await here.tenant() for _ in range(4)]
    engineers = [await here.person("engineer") for _ in range(4)]
    auditor = await here.person("auditor")
    calls = []
    expected: list[tuple[int, str | None, tuple[str, str, str] | None]] = []
    for number in range(200):
        tenant, engineer = tenants[number % 4], engineers[number // 4 % 4]
        body = asked(tenant, ticket=f"T-{number}")
        if number % 10 == 3:
            calls.append(posted(here, engineer, body | {"tenant": "nobody-knows-it"}))
            expected.append((422, "unknown_tenant", None))
        elif number % 10 == 7:
            calls.append(posted(here, auditor, body))
            expected.append((403, "forbidden", None))
        else:
            calls.append(posted(here, engineer, body))
            expected.append((201, None, (tenant, engineer.id, f"T-{number}")))
    answers = await asyncio.gather(*calls)
    for answer, (status, code, facts) in zip(answers, expected, strict=True):
        body = answer.json()
        assert (answer.status_code, body.get("code")) == (status, code)
        if facts is not None:
            assert (body["tenant"], body["engineer"]["id"], body["ticket"]) == facts
            (event,) = await here.events(body["id"])
            assert event.data.ticket == facts[2]
    for tenant in tenants:
        numbers = await here.database.fetch("SELECT sequence FROM events WHERE tenant = $1 ORDER BY sequence", tenant)
        assert [row["sequence"] for row in numbers] == list(range(1, len(numbers) + 1))


async def test_a_key_gives_the_same_answer_and_makes_one_request(here: World) -> None:
    tenant, engineer = await here.tenant(), await here.person("engineer")
    answers = await asyncio.gather(*(posted(here, engineer, asked(tenant), "one key") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    again = await posted(here, engineer, asked(tenant), "one key")
    assert again.content == answers[0].content
    assert await here.database.fetchval("SELECT count(*) FROM requests WHERE tenant = $1", tenant) == 1
    other_body = await posted(here, engineer, asked(tenant, ticket="T-2"), "one key")
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_conflict")
    other_caller = await posted(here, await here.person("engineer"), asked(tenant), "one key")
    assert other_caller.json()["id"] != again.json()["id"]


async def test_a_refused_call_leaves_its_key_free(here: World) -> None:
    tenant, engineer = await here.tenant(max_duration=timedelta(hours=1)), await here.person("engineer")
    refused = await posted(here, engineer, asked(tenant, duration="PT2H"), "try")
    assert (refused.status_code, refused.json()["code"]) == (422, "duration_too_long")
    assert (await posted(here, engineer, asked(tenant, duration="PT1H"), "try")).status_code == 201


async def test_a_record_that_would_be_too_long_is_refused_by_its_field_and_alone(here: World) -> None:
    tenant, engineer = await here.tenant(), await here.person("engineer")
    operations = [f"operation-{number:02}-with-a-long-name" for number in range(18)]
    long = [{"id": f"exchange-online/mailboxes/{number:02}", "operations": operations} for number in range(94)]
    answers = await asyncio.gather(
        posted(here, engineer, asked(tenant, resources=long)),
        *(posted(here, engineer, asked(tenant)) for _ in range(5)),
    )
    assert [answer.status_code for answer in answers] == [422, 201, 201, 201, 201, 201]
    assert answers[0].json()["errors"][0]["field"] == "resources"


async def test_resources_are_normalized(here: World) -> None:
    tenant, engineer = await here.tenant(), await here.person("engineer")
    made = await here.submit(
        engineer, tenant, resources=[{"id": "exchange-online/caf\u0065\u0301", "operations": ["read"]}]
    )
    assert made["resources"][0]["id"] == "exchange-online/caf\u00e9"


async def test_an_own_request_of_the_same_tenant_can_be_extended(here: World) -> None:
    tenant, other = await here.tenant(), await here.tenant()
    engineer, colleague = await here.person("engineer"), await here.person("engineer")
    first = await here.submit(engineer, tenant)
    assert (await here.submit(engineer, tenant, extends=first["id"]))["extends"] == first["id"]
    for person, name in ((engineer, other), (colleague, tenant)):
        answer = await posted(here, person, asked(name, extends=first["id"]))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "extends")


async def test_a_tenants_new_settings_count_from_their_arrival(here: World) -> None:
    tenant, engineer = await here.tenant(max_duration=timedelta(hours=1)), await here.person("engineer")
    answer = await posted(here, engineer, asked(tenant, duration="PT1H1S"))
    assert (answer.status_code, answer.json()["code"]) == (422, "duration_too_long")
    assert answer.json()["errors"] == [{"field": "duration", "message": "must be at most PT1H"}]
