"""Actions: on the record before they are answered, allowed or refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx

from services.request_api.commands.upkeep import summarize
from shared.events.values import Resource
from shared.security.tokens import issue_grant
from tests.integration.request_api.said import member_removed, role_removed
from tests.integration.request_api.world import MAILBOX, Granted, World, bearer
from tests.kernel import until


async def refused(here: World, granted: Granted, answer: httpx.Response) -> tuple[int, str]:
    """Give status and code of a refusal, after a look at its record."""
    body = answer.json()
    recorded = [
        event.payload
        for event in await here.events(granted.id, "action.refused")
        if event.payload["action_id"] == body["action_id"]
    ]
    assert [one["code"] for one in recorded] == [body["code"]]
    return answer.status_code, body["code"]


async def test_concurrent_actions_are_all_recorded_with_their_own_answers(here: World) -> None:
    first, second = await here.granted(), await here.granted()
    calls = [
        here.act((first, second)[number % 2].headers, f"{MAILBOX}/{number}" if number % 5 else "exchange-online/other")
        for number in range(100)
    ]
    answers = await asyncio.gather(*calls)
    for number, answer in enumerate(answers):
        granted = (first, second)[number % 2]
        kind = "action.recorded" if number % 5 else "action.refused"
        assert answer.status_code == (201 if number % 5 else 403)
        (event,) = [
            event
            for event in await here.events(granted.id, kind)
            if event.payload["action_id"] == answer.json()["action_id"]
        ]
        assert event.tenant == granted.tenant
        assert (event.actor.id, event.actor.type) == (granted.engineer.id, "engineer")


async def test_an_action_is_recorded_before_it_is_answered(here: World) -> None:
    granted = await here.granted()
    for _ in range(10):
        action_id = (await here.act(granted.headers)).json()["action_id"]
        recorded = await here.events(granted.id, "action.recorded")
        assert recorded[-1].payload["action_id"] == action_id


async def test_a_key_gives_the_same_action(here: World) -> None:
    granted = await here.granted()
    body = {"resource": MAILBOX, "operation": "read"}
    headers = granted.headers | {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(here.http.post("/v1/actions", json=body, headers=headers) for _ in range(10)))
    assert len({answer.content for answer in answers}) == 1
    assert len(await here.events(granted.id, "action.recorded")) == 1
    outside = {"resource": "exchange-online/other", "operation": "read"}
    conflict = await here.http.post("/v1/actions", json=outside, headers=headers)
    assert (conflict.status_code, conflict.json()["code"]) == (422, "idempotency_conflict")


async def test_a_key_gives_no_yes_after_the_end_of_the_grant(here: World) -> None:
    granted = await here.granted()
    headers = granted.headers | {"Idempotency-Key": "again"}
    body = {"resource": MAILBOX, "operation": "read"}
    assert (await here.http.post("/v1/actions", json=body, headers=headers)).status_code == 201
    await here.hear(granted.revocation)
    repeat = await here.http.post("/v1/actions", json=body, headers=headers)
    assert (repeat.status_code, repeat.json()["code"]) == (403, "grant_ended")
    assert len(await here.events(granted.id, "action.refused")) == 1


async def test_only_what_was_granted_is_in_scope(here: World) -> None:
    narrowed = [Resource(id=MAILBOX + "/inbox", operations=["read"])]
    granted = await here.granted(narrowed=narrowed)
    assert (await here.act(granted.headers, MAILBOX + "/inbox/1")).status_code == 201
    for resource, operation in (
        (MAILBOX, "read"),
        (MAILBOX + "/inbox2", "read"),
        (MAILBOX + "/inbox", "write"),
        ("exchange-online", "read"),
    ):
        answer = await here.act(granted.headers, resource, operation)
        assert await refused(here, granted, answer) == (403, "out_of_scope")


async def test_an_engineer_without_his_role_acts_no_more(here: World) -> None:
    for end in (lambda person: role_removed(person, "engineer"), member_removed):
        granted = await here.granted()
        await here.hear(end(granted.engineer))
        assert await refused(here, granted, await here.act(granted.headers)) == (403, "grant_ended")


def grant_token(here: World, granted: Granted, *, expires: datetime, **changes: str) -> dict[str, str]:
    """Sign a token of the grant, as request_api does."""
    facts = {"subject": granted.engineer.id, "grant_id": granted.grant_id, "tenant": granted.tenant, **changes}
    token = issue_grant(
        here.core.grant_key,
        request_id=granted.id,
        resources=[],
        now=expires - timedelta(hours=1),
        not_before=expires - timedelta(hours=1),
        expires=expires,
        **facts,
    )
    return bearer(token)


async def test_an_expired_token_of_a_known_grant_is_refused_on_the_record(here: World) -> None:
    granted = await here.granted()
    answer = await here.act(grant_token(here, granted, expires=datetime.now(UTC)))
    assert await refused(here, granted, answer) == (401, "token_invalid")


async def test_a_token_of_ours_that_fits_no_grant_is_refused(here: World) -> None:
    granted, other = await here.granted(), await here.granted()
    soon = datetime.now(UTC) + timedelta(minutes=5)
    for changes in ({"grant_id": other.grant_id}, {"subject": other.engineer.id}):
        answer = await here.act(grant_token(here, granted, expires=soon, **changes))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_over_twenty_refusals_a_minute_are_counted_and_summed_up(here: World) -> None:
    granted = await here.granted()
    await _start_of_a_minute(here)
    answers = await asyncio.gather(*(here.act(granted.headers, "exchange-online/other") for _ in range(50)))
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "out_of_scope")}
    assert len({answer.json()["action_id"] for answer in answers}) == 50
    assert len(await here.events(granted.id, "action.refused")) == 20
    # Another token of the same grant has a count of its own.
    other = await here.token(granted.engineer, granted.id)
    assert await refused(here, granted, await here.act(other, "exchange-online/other")) == (403, "out_of_scope")

    await here.database.execute(
        "UPDATE refusals SET minute = minute - interval '1 minute' WHERE grant_id = $1", granted.grant_id
    )
    await asyncio.gather(*(summarize(here.core.pool) for _ in range(3)))
    (summary,) = await here.events(granted.id, "action.refusals_summarized")
    assert (summary.payload["grant_id"], summary.payload["count"]) == (granted.grant_id, 30)
    assert summary.payload["codes"] == {"out_of_scope": 30}
    assert summary.payload["first"] <= summary.payload["last"]
    assert summary.tenant == granted.tenant


async def _start_of_a_minute(here: World) -> None:
    """The bound is one for each minute of the clock: do not begin at the end of one."""

    async def is_early() -> bool:
        return bool(await here.database.fetchval("SELECT extract(second FROM clock_timestamp()) < 57"))

    await until(is_early)


async def completed(here: World, granted: Granted, action_id: str, **body: str) -> httpx.Response:
    url = f"/v1/actions/{action_id}/completion"
    return await here.http.post(url, json={"outcome": "success", **body}, headers=granted.headers)


async def test_the_end_of_an_action_is_recorded_once(here: World) -> None:
    granted = await here.granted()
    action_id = (await here.act(granted.headers, MAILBOX + "/inbox", "write")).json()["action_id"]
    answers = await asyncio.gather(*(completed(here, granted, action_id, detail=f"{n}") for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_completed"}
    (event,) = await here.events(granted.id, "action.completed")
    assert (event.payload["action_id"], event.payload["outcome"]) == (action_id, "success")
    assert (event.payload["resource"], event.payload["operation"]) == (MAILBOX + "/inbox", "write")


async def test_a_repeated_report_with_its_key_is_answered_the_same(here: World) -> None:
    granted = await here.granted()
    action_id = (await here.act(granted.headers)).json()["action_id"]
    granted.headers["Idempotency-Key"] = "end"
    first, second = [await completed(here, granted, action_id) for _ in range(2)]
    assert (first.status_code, first.content) == (201, second.content)


async def test_an_action_is_completed_only_under_its_own_grant_and_only_when_it_was_allowed(here: World) -> None:
    granted, other = await here.granted(), await here.granted()
    allowed = (await here.act(granted.headers)).json()["action_id"]
    was_refused = (await here.act(granted.headers, "exchange-online/other")).json()["action_id"]
    for holder, action_id in ((other, allowed), (granted, was_refused)):
        answer = await completed(here, holder, action_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_an_action_that_was_running_is_completed_after_the_end_of_the_grant(here: World) -> None:
    granted = await here.granted()
    action_id = (await here.act(granted.headers)).json()["action_id"]
    await here.hear(granted.revocation)
    assert (await completed(here, granted, action_id)).status_code == 201
