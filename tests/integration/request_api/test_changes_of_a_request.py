"""Withdraw, answer and release over HTTP: what each publishes, and what it answers when it comes too late."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from shared.events import requests
from shared.events.values import Person
from tests.integration.request_api.said import DANA, by_approval
from tests.integration.request_api.world import World


async def test_a_withdrawal_is_published_once_and_shown(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    url = f"/v1/requests/{made['id']}/withdraw"
    answers = await asyncio.gather(*(here.http.post(url, headers=here.session(eve)) for _ in range(5)))
    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(200, "withdrawn")] * 5
    assert [event.type for event in await here.events(made["id"])] == [
        "lockbox.request.submitted.v1",
        "lockbox.request.withdrawn.v1",
    ]


async def test_a_request_can_be_withdrawn_after_its_approval_until_a_token_was_issued(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.approved(eve, tenant)
    answer = await here.http.post(f"/v1/requests/{made['id']}/withdraw", headers=here.session(eve))
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
    token = await here.http.post(f"/v1/requests/{made['id']}/token", headers=here.session(eve))
    assert (token.status_code, token.json()["code"]) == (409, "access_ended")

    granted = await here.granted()
    late = await here.http.post(f"/v1/requests/{granted.id}/withdraw", headers=here.session(granted.engineer))
    assert (late.status_code, late.json()["code"]) == (409, "use_release")


async def test_of_a_withdrawal_and_a_token_at_once_one_wins(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    for _ in range(5):
        made = await here.approved(eve, tenant)
        token, withdrawal = await asyncio.gather(
            here.http.post(f"/v1/requests/{made['id']}/token", headers=here.session(eve)),
            here.http.post(f"/v1/requests/{made['id']}/withdraw", headers=here.session(eve)),
        )
        outcome = (token.status_code, withdrawal.status_code)
        assert outcome in {(201, 409), (409, 200)}
        kinds = [event.type.split(".")[2] for event in await here.events(made["id"])]
        assert kinds[1:] == (["token_issued"] if outcome == (201, 409) else ["withdrawn"])


async def test_a_question_is_answered_before_the_decision_and_not_after(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    by = Person(id=DANA.id, email=DANA.email, name=DANA.name)
    asked = requests.InformationRequested(request_id=made["id"], tenant=tenant, by=by, text="Why?")
    await here.hear(await here.provider_approval_of(made["id"]), by_approval(asked))
    url = f"/v1/requests/{made['id']}/answers"
    key = {"Idempotency-Key": "answer"}
    for _ in range(2):
        answer = await here.http.post(url, json={"text": "Because."}, headers=here.session(eve) | key)
        assert answer.status_code == 200
        thread = [(said["kind"], said["text"], said["by"]["email"]) for said in answer.json()["thread"]]
        assert thread == [("question", "Why?", DANA.email), ("answer", "Because.", eve.email)]
    await here.approve(made["id"])
    late = await here.http.post(url, json={"text": "Also."}, headers=here.session(eve))
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")


async def test_nothing_is_answered_after_the_window_also_before_anybody_said_that_it_closed(here: World) -> None:
    tenant, eve = await here.tenant(window=timedelta(microseconds=1)), await here.person("engineer")
    made = await here.submit(eve, tenant)
    answer = await here.http.post(
        f"/v1/requests/{made['id']}/answers", json={"text": "Because."}, headers=here.session(eve)
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "decision_window_closed")


async def test_a_denied_and_an_expired_request_stay_so(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    denied, expired = await here.submit(eve, tenant), await here.submit(eve, tenant)
    decide_by = (await here.submission(expired["id"])).data.decide_by
    closed = requests.RequestExpired(request_id=expired["id"], tenant=tenant, decide_by=decide_by, stage="provider")
    await here.hear(
        by_approval(requests.RequestDenied(**await here.decision(denied["id"]))),
        by_approval(closed),
    )
    for made, state, code in (
        (denied, "denied", "already_decided"),
        (expired, "expired", "decision_window_closed"),
    ):
        shown = await here.http.get(f"/v1/requests/{made['id']}", headers=here.session(eve))
        assert shown.json()["state"] == state
        answer = await here.http.post(f"/v1/requests/{made['id']}/withdraw", headers=here.session(eve))
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        token = await here.http.post(f"/v1/requests/{made['id']}/token", headers=here.session(eve))
        assert (token.status_code, token.json()["code"]) == (409, "not_approved")


async def test_a_grant_is_released_once_and_not_after_another_end(here: World) -> None:
    granted = await here.granted()
    url = f"/v1/grants/{granted.grant_id}/release"
    for _ in range(2):
        answer = await here.http.post(url, headers=here.session(granted.engineer))
        assert answer.status_code == 200
        assert (answer.json()["state"], answer.json()["ended_by"]) == ("ended", "released")
        assert answer.json()["grant"]["ended_at"] is not None
    assert len(await here.events(granted.id, "access.released")) == 1

    other = await here.granted()
    await here.hear(other.revocation)
    late = await here.http.post(f"/v1/grants/{other.grant_id}/release", headers=here.session(other.engineer))
    assert (late.status_code, late.json()["code"]) == (409, "access_ended")


async def test_the_changes_of_a_request_are_numbered_without_a_gap(here: World) -> None:
    granted = await here.granted()
    await here.token(granted.engineer, granted.id)
    await here.act(granted.headers)
    await here.http.post(f"/v1/grants/{granted.grant_id}/release", headers=here.session(granted.engineer))
    rows = await here.database.fetch(
        "SELECT revision, type FROM events WHERE subject = $1 ORDER BY sequence", granted.id
    )
    revisions = [row["revision"] for row in rows if not row["type"].startswith("lockbox.action.")]
    assert revisions == [1, 2, 3, 4]
    assert all(row["revision"] is None for row in rows if row["type"].startswith("lockbox.action."))
