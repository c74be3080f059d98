"""Revoked, released, expired, withdrawn: whatever ends a grant, the next action is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx

from shared.events.access import AccessExpired
from shared.events.envelope import Draft, service_actor
from tests.integration.request_api.world import Granted, World
from tests.kernel import until


def outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_after_the_revocation_no_action_is_allowed(here: World) -> None:
    granted = await here.granted()
    assert (await here.act(granted.headers)).status_code == 201
    await here.hear(granted.revocation)
    assert outcome(await here.act(granted.headers)) == (403, "grant_ended")
    token = await here.http.post(f"/v1/requests/{granted.id}/token", headers=here.session(granted.engineer))
    assert outcome(token) == (409, "access_ended")


async def test_after_the_release_no_action_is_allowed(here: World) -> None:
    granted = await here.granted()
    released = await here.http.post(f"/v1/grants/{granted.grant_id}/release", headers=here.session(granted.engineer))
    assert released.status_code == 200
    assert outcome(await here.act(granted.headers)) == (403, "grant_ended")


async def test_of_two_grants_for_the_same_resource_one_ends_and_the_other_goes_on(here: World) -> None:
    first = await here.granted()
    made = await here.submit(first.engineer, first.tenant, extends=first.id)
    await here.approve(made["id"])
    headers = await here.token(first.engineer, made["id"])
    assert (await here.act(headers)).status_code == 201
    await here.hear(first.revocation)
    assert outcome(await here.act(first.headers)) == (403, "grant_ended")
    assert (await here.act(headers)).status_code == 201


async def short(here: World) -> Granted:
    """Give a grant whose time will be over in a moment."""
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant, duration="PT2S")
    await here.approve(made["id"])
    headers = await here.token(eve, made["id"])
    shown = await here.http.get(f"/v1/requests/{made['id']}", headers=here.session(eve))
    return Granted(eve, tenant, shown.json(), headers)


async def test_when_its_time_is_over_a_grant_ends_by_itself(here: World) -> None:
    granted = await short(here)
    over = datetime.fromisoformat(granted.request["grant"]["access_until"])
    allowed = await here.act(granted.headers)
    assert allowed.status_code == 201
    await until(lambda: datetime.now(UTC) >= over)
    # Nobody has said so yet: expiry is not needed for the end.
    assert outcome(await here.act(granted.headers)) == (401, "token_invalid")
    shown = await here.http.get(f"/v1/requests/{granted.id}", headers=here.session(granted.engineer))
    assert (shown.json()["state"], shown.json()["ended_by"]) == ("ended", "expired")
    assert shown.json()["grant"]["ended_at"] == granted.request["grant"]["access_until"]
    # The end of an action that was running is a fact also then.
    url = f"/v1/actions/{allowed.json()['action_id']}/completion"
    report = await here.http.post(url, json={"outcome": "success"}, headers=granted.headers)
    assert report.status_code == 201


async def test_when_expiry_says_that_the_time_is_over_no_action_is_allowed(here: World) -> None:
    """Its clock may be ahead of ours: the first to say so counts."""
    granted = await here.granted()
    over = datetime.fromisoformat(granted.request["grant"]["access_until"])
    data = AccessExpired(request_id=granted.id, tenant=granted.tenant, grant_id=granted.grant_id, access_until=over)
    await here.hear(Draft(data, granted.tenant, granted.id, service_actor("expiry")), by=here.expiry)
    assert outcome(await here.act(granted.headers)) == (403, "grant_ended")


async def test_an_end_that_comes_before_the_approval_closes_it_from_the_start(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    approval = await here.approval_of(made["id"])
    granted = Granted(eve, tenant, made | {"grant": {"id": approval.data.model_dump()["grant_id"]}}, {})
    await here.hear(granted.revocation)
    await here.hear(await here.provider_approval_of(made["id"]), approval)
    token = await here.http.post(f"/v1/requests/{made['id']}/token", headers=here.session(eve))
    assert outcome(token) == (409, "access_ended")


async def test_actions_during_the_revocation_are_allowed_before_it_and_refused_after_it(here: World) -> None:
    granted = await here.granted()
    stop = asyncio.Event()
    answers: list[tuple[int, float]] = []

    async def acting() -> None:
        while not stop.is_set():
            began = asyncio.get_running_loop().time()
            answers.append(((await here.act(granted.headers)).status_code, began))

    workers = [asyncio.create_task(acting()) for _ in range(4)]
    await asyncio.sleep(0.3)
    await here.hear(granted.revocation)
    heard = asyncio.get_running_loop().time()
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.gather(*workers)
    assert {status for status, began in answers if began > heard} == {403}
    assert 201 in {status for status, _ in answers}
    closed_at = (await here.http.get(f"/v1/requests/{granted.id}", headers=here.session(granted.engineer))).json()
    end = datetime.fromisoformat(closed_at["grant"]["ended_at"])
    last = max(event.time for event in await here.events(granted.id, "action.recorded"))
    # What was allowed after the decision to revoke, and before it was heard, is bounded by the gate's staleness.
    assert last < end + timedelta(seconds=5)
