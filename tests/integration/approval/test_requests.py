"""A request's way through the service over HTTP, as its people see it."""

import asyncio
from datetime import timedelta

import pytest

from shared.events.envelope import new_id
from shared.events.requests import RequestApproved
from shared.events.values import Resource
from tests.integration.approval.system import Approval, refused, token_issued, types
from tests.kernel import until

MAX, ADA, EVE, ERIN, OTTO = (f"{name}@provider.example" for name in ("max", "ada", "eve", "erin", "otto"))
DPO, ADMIN, HELPDESK, AUDITOR, USER = (
    f"{name}@contoso.example" for name in ("dpo", "admin", "helpdesk", "auditor", "user")
)


async def test_manager_and_customer_approve_and_each_step_is_an_event(approval: Approval) -> None:
    request_id = await approval.submitted()
    passed_on = await approval.done(MAX, f"/v1/requests/{request_id}/provider-approve", {"comment": "Needed."})
    assert passed_on["state"] == "awaiting_customer"
    granted = await approval.done(DPO, f"/v1/requests/{request_id}/approve", {"duration": "PT1H"})
    assert granted["state"] == "approved"
    assert [(one["stage"], one["by"]["email"]) for one in granted["decisions"]] == [
        ("provider", MAX),
        ("customer", DPO),
    ]
    events = await approval.published(request_id)
    assert types(events) == ["request.provider_approved", "request.vote_cast", "request.approved"]
    assert {event.tenant for event in events} == {"contoso"}
    assert [event.actor.type for event in events] == ["manager", "member", "member"]
    fact: RequestApproved = events[-1].data
    assert fact.approver.roles == ["lockbox_approver"]
    assert fact.approver.method == "password"
    assert fact.grant_id == granted["grant"]["id"]
    assert fact.access_from == events[-1].time
    assert fact.access_until == events[-1].time + timedelta(hours=1)
    assert granted["grant"]["access_until"].endswith("Z")


async def test_everybody_sees_what_is_his_to_see(approval: Approval) -> None:
    request_id = await approval.submitted()
    path = f"/v1/requests/{request_id}"
    everybody = [MAX, ADA, EVE, ERIN, OTTO, DPO, ADMIN, HELPDESK, AUDITOR, USER, "dpo@fabrikam.example"]

    async def seen_by() -> list[str]:
        answers = [await approval.call(who, "GET", path) for who in everybody]
        assert {one.status_code for one in answers} == {200, 404}
        return [who for who, one in zip(everybody, answers, strict=True) if one.status_code == 200]

    assert await seen_by() == [MAX, ADA, EVE]
    await approval.done(MAX, f"{path}/provider-approve")
    assert await seen_by() == [MAX, ADA, EVE, DPO, ADMIN, HELPDESK, AUDITOR]


async def test_lists_hold_what_is_seen_one_by_one_and_nothing_else(approval: Approval) -> None:
    waiting, passed_on = await approval.submitted(), await approval.passed_on()

    async def listed(who: str, query: str = "") -> set[str]:
        response = await approval.call(who, "GET", f"/v1/requests?limit=1000{query}")
        assert response.status_code == 200
        return {one["id"] for one in response.json()["items"]}

    for who in (MAX, ADA, EVE):
        assert {waiting, passed_on} <= await listed(who)
    assert {waiting, passed_on} & await listed(DPO) == {passed_on}
    assert waiting in await listed(MAX, "&state=awaiting_provider")
    assert passed_on in await listed(DPO, "&state=awaiting_customer")
    assert passed_on not in await listed(DPO, "&state=approved")
    assert not {waiting, passed_on} & await listed("dpo@fabrikam.example")
    for who in (ERIN,):
        assert await listed(who) == set()
    for who in (OTTO, USER):
        refused(await approval.call(who, "GET", "/v1/requests"), 403, "forbidden")


async def test_a_list_is_read_in_pages_newest_first(approval: Approval) -> None:
    ids = [await approval.submitted() for _ in range(3)]
    read: list[str] = []
    cursor = ""
    while len(read) < 3:
        response = await approval.call(MAX, "GET", f"/v1/requests?limit=2{cursor}")
        page = response.json()
        read += [one["id"] for one in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert read[:3] == ids[::-1]


async def test_the_state_in_a_list_is_that_of_the_moment(approval: Approval) -> None:
    granted = await approval.granted(duration=timedelta(seconds=1))
    request_id = granted["id"]

    async def in_state(state: str) -> bool:
        response = await approval.call(DPO, "GET", f"/v1/requests?state={state}&limit=1000")
        found = {one["id"]: one["state"] for one in response.json()["items"]}
        assert set(found.values()) <= {state}
        return request_id in found

    assert await in_state("approved")
    await until(lambda: in_state("ended"))
    assert not await in_state("approved")
    assert (await approval.shown(request_id))["ended_by"] == "expired"


async def test_a_repeated_call_with_the_same_key_decides_once(approval: Approval) -> None:
    request_id = await approval.passed_on()
    path, body = f"/v1/requests/{request_id}/approve", {"comment": "Fine."}
    answers = await asyncio.gather(*(approval.call(DPO, "POST", path, body, idempotency_key="once") for _ in range(5)))
    assert [one.status_code for one in answers] == [200] * 5
    assert len({one.content for one in answers}) == 1
    assert types(await approval.published(request_id)).count("request.approved") == 1
    other = await approval.call(DPO, "POST", path, {"comment": "Other."}, idempotency_key="once")
    refused(other, 422, "idempotency_conflict")
    refused(await approval.call(ADMIN, "POST", path, body, idempotency_key="once"), 409, "already_decided")


async def test_of_many_who_decide_at_once_one_does(approval: Approval) -> None:
    request_id = await approval.passed_on()
    path = f"/v1/requests/{request_id}"
    calls = [
        approval.call(who, "POST", f"{path}/{verb}", {"comment": "So."})
        for who in (DPO, ADMIN)
        for verb in ("approve", "deny")
    ]
    answers = await asyncio.gather(*calls)
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    assert len(await approval.published(request_id)) == 3


@pytest.mark.parametrize(
    ("who", "verb", "status", "code"),
    [
        (EVE, "provider-approve", 403, "forbidden"),
        (ADA, "provider-deny", 403, "forbidden"),
        (DPO, "provider-approve", 403, "forbidden"),
        (ERIN, "provider-approve", 404, "not_found"),
        (OTTO, "provider-approve", 404, "not_found"),
        (MAX, "approve", 403, "forbidden"),
        (EVE, "approve", 403, "forbidden"),
        (HELPDESK, "approve", 403, "forbidden"),
        (AUDITOR, "deny", 403, "forbidden"),
        (AUDITOR, "questions", 403, "forbidden"),
        (USER, "approve", 404, "not_found"),
        ("dpo@fabrikam.example", "approve", 404, "not_found"),
        ("admin@fabrikam.example", "deny", 404, "not_found"),
        ("admin@fabrikam.example", "questions", 404, "not_found"),
    ],
)
async def test_who_may_not_decide_decides_nothing(
    approval: Approval, who: str, verb: str, status: int, code: str
) -> None:
    request_id = await approval.passed_on()
    body = {"text": "Why?"} if verb == "questions" else {"comment": "So."}
    before = await approval.everything()
    refused(await approval.call(who, "POST", f"/v1/requests/{request_id}/{verb}", body), status, code)
    assert await approval.everything() == before


async def test_customers_decide_nothing_before_the_provider_has_approved(approval: Approval) -> None:
    request_id = await approval.submitted()
    for verb in ("approve", "deny", "provider-approve"):
        response = await approval.call(DPO, "POST", f"/v1/requests/{request_id}/{verb}", {"comment": "So."})
        refused(response, 404, "not_found")


async def test_a_manager_does_not_approve_his_own_request(approval: Approval) -> None:
    event = await approval.submission()
    max_ = await approval.member(MAX)
    own = event.data.engineer.model_copy(update={"id": max_.id, "email": max_.email, "name": max_.name})
    request_id = await approval.submitted(engineer=own)
    for verb in ("provider-approve", "provider-deny"):
        response = await approval.call(MAX, "POST", f"/v1/requests/{request_id}/{verb}", {"comment": "So."})
        refused(response, 403, "own_request")
    refused(
        await approval.call(MAX, "POST", f"/v1/requests/{request_id}/questions", {"text": "Why?"}), 403, "own_request"
    )


async def test_a_denial_needs_its_reason_and_ends_the_request(approval: Approval) -> None:
    request_id = await approval.passed_on()
    path = f"/v1/requests/{request_id}/deny"
    refused(await approval.call(DPO, "POST", path, {}), 422, "invalid_request", "comment")
    denied = await approval.done(DPO, path, {"comment": "Not today."})
    assert denied["state"] == "denied"
    assert denied["decisions"][-1] | {"at": None} == {
        "stage": "customer",
        "decision": "denied",
        "by": {"email": DPO, "name": "Dana Dupont (Contoso)"},
        "at": None,
        "comment": "Not today.",
        "duration": "PT2H",
        "resources": denied["resources"],
    }
    refused(await approval.call(DPO, "POST", f"/v1/requests/{request_id}/approve"), 409, "already_decided")
    provider = await approval.submitted()
    denied = await approval.done(MAX, f"/v1/requests/{provider}/provider-deny", {"comment": "No ticket."})
    assert denied["state"] == "denied"
    refused(await approval.call(DPO, "GET", f"/v1/requests/{provider}"), 404, "not_found")


async def test_more_than_was_asked_is_not_granted(approval: Approval) -> None:
    request_id = await approval.passed_on()
    path = f"/v1/requests/{request_id}/approve"
    before = await approval.everything()
    wide = [{"id": "exchange-online", "operations": ["read"]}]
    refused(await approval.call(DPO, "POST", path, {"duration": "PT3H"}), 422, "widens_request", "duration")
    refused(await approval.call(DPO, "POST", path, {"resources": wide}), 422, "widens_request", "resources.0.id")
    more = [{"id": "exchange-online/mailboxes/alice", "operations": ["read", "delete"]}]
    refused(
        await approval.call(DPO, "POST", path, {"resources": more}), 422, "widens_request", "resources.0.operations"
    )
    assert await approval.everything() == before


async def test_questions_and_answers_are_one_thread(approval: Approval) -> None:
    request_id = await approval.passed_on()
    await approval.done(MAX, f"/v1/requests/{request_id}/questions", {"text": "Which ticket?"})
    asked = await approval.done(DPO, f"/v1/requests/{request_id}/questions", {"text": "Why?"})
    assert [(one["kind"], one["text"]) for one in asked["thread"]] == [
        ("question", "Which ticket?"),
        ("question", "Why?"),
    ]
    assert types(await approval.published(request_id))[-1] == "request.information_requested"


async def test_a_grant_is_revoked_by_the_customer_or_a_manager_and_once(approval: Approval) -> None:
    for who in (DPO, ADMIN, MAX):
        granted = await approval.granted()
        await approval.hear(token_issued(granted))
        assert (await approval.shown(granted["id"]))["state"] == "active"
        path = f"/v1/grants/{granted['grant']['id']}/revoke"
        for other in (EVE, AUDITOR, HELPDESK):
            refused(await approval.call(other, "POST", path, {"reason": "So."}), 403, "forbidden")
        for other in (USER, "admin@fabrikam.example", ERIN):
            refused(await approval.call(other, "POST", path, {"reason": "So."}), 404, "not_found")
        revoked = await approval.done(who, path, {"reason": "Enough."})
        assert (revoked["state"], revoked["ended_by"]) == ("ended", "revoked")
        assert revoked["grant"]["ended_at"]
        event = (await approval.published(granted["id"]))[-1]
        assert (event.type, event.data.by.email) == ("lockbox.access.revoked.v1", who)
        refused(await approval.call(who, "POST", path, {"reason": "Again."}), 409, "access_ended")
    refused(await approval.call(DPO, "POST", f"/v1/grants/{new_id()}/revoke", {"reason": "So."}), 404, "not_found")


async def test_a_comment_may_have_four_kilobytes_in_any_language(approval: Approval) -> None:
    comment = "ж" * 2048
    request_id = await approval.passed_on()
    granted = await approval.done(DPO, f"/v1/requests/{request_id}/approve", {"comment": comment})
    assert granted["decisions"][-1]["comment"] == comment
    other = await approval.passed_on()
    response = await approval.call(DPO, "POST", f"/v1/requests/{other}/approve", {"comment": comment + "ж"})
    refused(response, 422, "invalid_request", "comment")


async def test_a_record_that_would_be_too_long_is_refused_by_its_field(approval: Approval) -> None:
    operations = [
        f"{number:02}".translate({48 + digit: 97 + digit for digit in range(10)}) * 30 for number in range(20)
    ]
    asked = [Resource(id="exchange-online", operations=operations)]
    request_id = await approval.passed_on(resources=asked)
    resources = [{"id": f"exchange-online/mailboxes/{'x' * 200}{n}", "operations": operations} for n in range(40)]
    response = await approval.call(DPO, "POST", f"/v1/requests/{request_id}/approve", {"resources": resources})
    refused(response, 422, "invalid_request", "resources")
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"
