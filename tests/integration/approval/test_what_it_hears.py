"""Events of the other services: in any order, any number of times, they come to the same."""

import random
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

from services.approval import own_decisions
from services.approval.store.own_decisions import Due
from shared.events.access import AccessExpired, AccessReleased
from shared.events.envelope import Event, new_id
from shared.events.requests import InformationProvided, RequestExpired
from shared.events.values import Person
from shared.messaging.inbox import is_blocked
from tests.integration.approval.system import (
    Approval,
    refused,
    token_issued,
    told,
    types,
    window_closed,
    withdrawn,
)

MAX, DPO = "max@provider.example", "dpo@contoso.example"


async def over(approval: Approval, **changes: Any) -> Event:
    """Give a submission whose window is over already."""
    return await approval.submission(window=-timedelta(seconds=1), **changes)


async def about(approval: Approval, event: Event) -> dict[str, Any]:
    return event.payload | {"id": event.subject}


async def test_a_closed_window_expires_what_nobody_decided_in_either_stage(approval: Approval) -> None:
    for passed_on, stage in ((False, "provider"), (True, "customer")):
        request_id = await (approval.passed_on() if passed_on else approval.submitted())
        request = await approval.shown(request_id)
        await close_now(approval, request)
        shown = await approval.shown(request_id)
        assert shown["state"] == "expired"
        event = (await approval.published(request_id))[-1]
        fact: RequestExpired = event.data
        assert (fact.stage, event.actor.type, event.actor.id) == (stage, "service", "approval")
        if passed_on:
            for verb in ("approve", "deny", "questions"):
                body = {"text": "Why?"} if verb == "questions" else {"comment": "So."}
                response = await approval.call(DPO, "POST", f"/v1/requests/{request_id}/{verb}", body)
                refused(response, 409, "decision_window_closed")


async def close_now(approval: Approval, request: dict[str, Any]) -> None:
    """Move a request's deadline into the past, as if its time had gone by, and have its end reported."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    await approval.pool.execute(
        "UPDATE requests SET life = jsonb_set(life, '{submitted,decide_by}', to_jsonb($2::timestamptz)) WHERE id = $1",
        request["id"],
        past,
    )
    await approval.hear(window_closed(request | {"decide_by": past}))
    await approval.settle()


async def test_a_report_that_comes_too_early_is_kept_for_its_time(approval: Approval) -> None:
    request_id = await approval.submitted()
    request = await approval.shown(request_id)
    await approval.hear(window_closed(request))
    await approval.settle()
    assert (await approval.shown(request_id))["state"] == "awaiting_provider"
    due_at = await approval.pool.fetchval("SELECT due_at FROM own_decisions WHERE request_id = $1", request_id)
    assert due_at == datetime.fromisoformat(request["decide_by"])
    # Decided before its time: this service's clock says that it is too early, whatever the reporter's says.
    await own_decisions.settle(approval.pool, Due(request_id, "window_closed", new_id()))
    assert (await approval.shown(request_id))["state"] == "awaiting_provider"
    await close_now(approval, request)
    await approval.pool.execute("UPDATE own_decisions SET due_at = clock_timestamp() WHERE request_id = $1", request_id)
    await approval.settle()
    assert (await approval.shown(request_id))["state"] == "expired"


async def test_a_report_on_what_was_decided_does_nothing(approval: Approval) -> None:
    granted = await approval.granted()
    before = await approval.published(granted["id"])
    await close_now(approval, granted)
    assert await approval.published(granted["id"]) == before
    assert (await approval.shown(granted["id"]))["state"] == "approved"
    kept = await approval.pool.fetchval("SELECT count(*) FROM own_decisions WHERE request_id = $1", granted["id"])
    assert kept == 0


async def test_a_report_before_the_submission_waits_for_it(approval: Approval) -> None:
    submission = await over(approval)
    await approval.hear(window_closed(await about(approval, submission)))
    await approval.settle()
    assert await approval.published(submission.subject) == []
    await approval.hear(submission)
    await approval.pool.execute("UPDATE own_decisions SET due_at = clock_timestamp()")
    await approval.settle()
    assert (await approval.shown(submission.subject))["state"] == "expired"


async def test_two_who_close_one_window_write_one_expiry(approval: Approval) -> None:
    submission = await over(approval)
    report = window_closed(await about(approval, submission))
    await approval.hear(submission, report)
    due = Due(submission.subject, "window_closed", report.id)
    for _ in range(2):
        await own_decisions.settle(approval.pool, due)
    (event,) = await approval.published(submission.subject)
    assert event.causation_id == report.id


async def test_what_is_withdrawn_before_the_decision_is_decided_no_more(approval: Approval) -> None:
    request_id = await approval.passed_on()
    await approval.hear(withdrawn(await approval.shown(request_id)))
    await approval.settle()
    shown = await approval.shown(request_id)
    assert (shown["state"], shown["grant"]) == ("withdrawn", None)
    refused(await approval.call(DPO, "POST", f"/v1/requests/{request_id}/approve"), 409, "already_decided")
    assert types(await approval.published(request_id)) == ["request.provider_approved"]


async def test_a_withdrawal_that_crosses_the_approval_is_answered_with_a_revocation(approval: Approval) -> None:
    granted = await approval.granted()
    event = withdrawn(granted)
    await approval.hear(event)
    await approval.settle()
    shown = await approval.shown(granted["id"])
    assert shown["state"] == "withdrawn"
    assert shown["grant"]["ended_at"]
    revoked = (await approval.published(granted["id"]))[-1]
    assert types([revoked]) == ["access.revoked"]
    assert (revoked.data.by, revoked.data.code, revoked.actor.type) == (None, "withdrawn", "service")
    assert revoked.causation_id == event.id
    response = await approval.call(DPO, "POST", f"/v1/grants/{granted['grant']['id']}/revoke", {"reason": "Enough."})
    refused(response, 409, "access_ended")


async def test_every_order_and_any_number_of_deliveries_come_to_the_same(approval: Approval) -> None:
    by = Person(id=new_id(), email="eve@provider.example", name="Eve Engel")
    seen = []
    for order in random.Random(1).sample(list(permutations(range(5))), 8):
        granted = await approval.granted()
        facts = {"request_id": granted["id"], "tenant": "contoso"}
        grant = facts | {"grant_id": granted["grant"]["id"]}
        sent = [
            told(InformationProvided(**facts, by=by, text="Because.")),
            token_issued(granted),
            told(AccessReleased(**grant, by=by)),
            told(AccessExpired(**grant, access_until=granted["grant"]["access_until"])),
            window_closed(granted),
        ]
        for position in order:
            await approval.hear(sent[position], sent[position])
        for event in sent:
            await approval.hear(event)
        shown = await approval.shown(granted["id"])
        assert datetime.fromisoformat(shown["grant"]["ended_at"]) == sent[2].time
        seen.append((shown["state"], shown["ended_by"], [one["text"] for one in shown["thread"]]))
    assert seen == [("ended", "released", ["Because."])] * 8


async def test_a_life_heard_backwards_is_the_same_life(approval: Approval) -> None:
    """Everything of the other services' comes before the submission."""
    submission = await approval.submission()
    request = await about(approval, submission)
    by = Person(id=new_id(), email="eve@provider.example", name="Eve Engel")
    answer = told(InformationProvided(request_id=submission.subject, tenant="contoso", by=by, text="Because."))
    gone = withdrawn(request)
    await approval.hear(gone, answer)
    refused(await approval.call(MAX, "GET", f"/v1/requests/{submission.subject}"), 404, "not_found")
    response = await approval.call(MAX, "POST", f"/v1/requests/{submission.subject}/provider-approve")
    refused(response, 404, "not_found")
    await approval.hear(submission)
    shown = await approval.shown(submission.subject)
    assert (shown["state"], len(shown["thread"])) == ("withdrawn", 1)
    response = await approval.call(MAX, "POST", f"/v1/requests/{submission.subject}/provider-approve")
    refused(response, 409, "already_decided")


async def test_an_event_that_contradicts_what_was_seen_blocks_its_request_alone(approval: Approval) -> None:
    request_id, other = await approval.passed_on(), await approval.passed_on()
    request = await approval.shown(request_id)
    wrong = [
        await approval.submission(request_id=request_id),
        told(
            InformationProvided(request_id=other, tenant="fabrikam", by=Person(id="1", email="e", name="e"), text="?")
        ),
        told(
            InformationProvided(
                request_id=new_id(), tenant="contoso", by=Person(id="1", email="e", name="e"), text="?"
            ),
            subject=request_id,
        ),
    ]
    for event, subject in zip(wrong, (request_id, other, request_id), strict=True):
        await approval.hear(event)
        async with approval.pool.acquire() as connection:
            assert await is_blocked(connection, [subject])
    for one in (request_id, other):
        for verb in ("approve", "deny"):
            response = await approval.call(DPO, "POST", f"/v1/requests/{one}/{verb}", {"comment": "So."})
            body = refused(response, 503, "state_unknown")
            assert body["detail"]
            assert response.headers["retry-after"]
    assert await approval.shown(request_id) == request
    third = await approval.passed_on()
    assert (await approval.done(DPO, f"/v1/requests/{third}/approve"))["state"] == "approved"


async def test_access_is_ended_also_where_an_event_of_its_request_could_not_be_applied(approval: Approval) -> None:
    granted = await approval.granted()
    await approval.hear(await approval.submission(request_id=granted["id"]))
    async with approval.pool.acquire() as connection:
        assert await is_blocked(connection, [granted["id"]])
    revoked = await approval.done(DPO, f"/v1/grants/{granted['grant']['id']}/revoke", {"reason": "Enough."})
    assert (revoked["state"], revoked["ended_by"]) == ("ended", "revoked")


async def test_a_blocked_request_does_not_expire_on_a_doubtful_state(approval: Approval) -> None:
    submission = await over(approval)
    await approval.hear(submission, window_closed(await about(approval, submission)))
    await approval.hear(await approval.submission(request_id=submission.subject))
    await approval.settle()
    assert await approval.published(submission.subject) == []
    # What is kept for it waits until somebody has replayed the dead event.
    kept = await approval.pool.fetchval(
        "SELECT due_at > clock_timestamp() FROM own_decisions WHERE request_id = $1", submission.subject
    )
    assert kept is True


async def test_what_changed_since_the_submission_is_checked_at_the_vote(approval: Approval) -> None:
    eve = await approval.member("eve@provider.example")
    request_id, other = await approval.passed_on(), await approval.submitted()
    await approval.pool.execute("DELETE FROM member_roles WHERE member_id = $1", eve.id)
    try:
        denied = await approval.done(DPO, f"/v1/requests/{request_id}/approve")
        assert await approval.done(MAX, f"/v1/requests/{other}/provider-approve") | {"grant": 1} != denied
    finally:
        await approval.pool.execute("INSERT INTO member_roles VALUES ($1, 'engineer')", eve.id)
    assert denied["state"] == "denied"
    assert denied["decisions"][-1]["by"] is None
    assert denied["decisions"][-1]["comment"]
    events = await approval.published(request_id)
    assert types(events) == ["request.provider_approved", "request.vote_cast", "request.denied"]
    assert (events[-1].data.code, events[-1].actor.id) == ("engineer_without_role", "approval")
    events = await approval.published(other)
    assert types(events) == ["request.provider_denied"]
    assert (events[0].data.code, events[0].actor.id) == ("engineer_without_role", "approval")
    path = "/v1/tenants/contoso/settings"
    settings = (await approval.call(DPO, "GET", path)).json()
    for changes, code in (({"max_duration": "PT1H"}, "duration_too_long"), ({"services": []}, "service_not_covered")):
        request_id = await approval.passed_on()
        narrowed = await approval.call(DPO, "PUT", path, settings | changes)
        assert narrowed.status_code == 200
        denied = await approval.done(DPO, f"/v1/requests/{request_id}/approve")
        assert denied["state"] == "denied"
        assert (await approval.published(request_id))[-1].data.code == code
        back = await approval.call(DPO, "PUT", path, settings | {"version": narrowed.json()["version"]})
        settings = back.json()
