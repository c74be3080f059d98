"""Several of the customer's people have to agree: each counts once, while he still may, and all of them leave what is granted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.approval.domain.people import Member
from services.approval.store import members
from services.request_api.domain import approvals
from shared.database.pool import transaction
from shared.events.envelope import new_id
from shared.events.requests import ProviderApproved, RequestApproved, RequestDenied, VoteCast
from shared.events.values import Engineer, Resource
from shared.lifecycle import RequestState, evolve
from tests.integration.approval.rules import ADMIN, AUDITOR, DPO, HELPDESK, appoint, dismiss, put, require
from tests.integration.approval.system import Approval, refused, types
from tests.kernel import until

MAX = "max@provider.example"
ALICE, BOB = "exchange-online/mailboxes/alice", "exchange-online/mailboxes/bob"


@pytest.fixture(autouse=True)
async def four_people(approval: Approval) -> AsyncIterator[None]:
    """Contoso with four people who decide, two of whom it takes."""
    await appoint(approval, HELPDESK, AUDITOR)
    await require(approval, 2)
    yield
    await dismiss(approval, HELPDESK, AUDITOR)
    await appoint(approval, DPO)
    await appoint(approval, ADMIN, role="global_admin")
    await require(approval, 1)


def path(request_id: str, verb: str = "approve") -> str:
    return f"/v1/requests/{request_id}/{verb}"


async def approve(approval: Approval, who: str, request_id: str, **left: Any) -> dict[str, Any]:
    return await approval.done(who, path(request_id), left)


async def granted(approval: Approval, request_id: str) -> RequestApproved:
    fact = (await approval.published(request_id))[-1].data
    assert isinstance(fact, RequestApproved)
    return fact


async def test_the_second_approval_grants_and_names_the_votes_that_counted(approval: Approval) -> None:
    request_id = await approval.passed_on()
    waiting = await approve(approval, DPO, request_id, comment="Fine.")
    assert (waiting["state"], waiting["approvals_required"], waiting["grant"]) == ("awaiting_customer", 2, None)
    assert [one["by"]["email"] for one in waiting["decisions"]] == [MAX, DPO]
    done = await approve(approval, ADMIN, request_id)
    assert done["state"] == "approved"
    events = await approval.published(request_id)
    assert types(events) == ["request.provider_approved", "request.vote_cast", "request.vote_cast", "request.approved"]
    assert isinstance(events[0].data, ProviderApproved)
    assert events[0].data.approvals_required == 2
    fact = events[-1].data
    assert fact.votes == [events[1].id, events[2].id]
    assert (fact.approver.email, fact.approver.roles) == (ADMIN, ["global_admin"])
    assert events[1].data.access_until is None
    assert fact.access_from == events[-1].time


async def test_what_is_granted_is_what_all_of_them_leave_and_request_api_takes_it(approval: Approval) -> None:
    asked = [Resource(id=one, operations=["read", "write"]) for one in (ALICE, BOB)]
    submission = await approval.submission(resources=asked)
    await approval.hear(submission)
    request_id = submission.subject
    await approval.done(MAX, path(request_id, "provider-approve"))
    await approve(
        approval, DPO, request_id, duration="PT1H", resources=[{"id": ALICE, "operations": ["read", "write"]}]
    )
    inbox = {"id": f"{ALICE}/inbox", "operations": ["read"]}
    done = await approve(
        approval, ADMIN, request_id, duration="PT90M", resources=[inbox, {"id": BOB, "operations": ["read"]}]
    )
    assert done["grant"]["resources"] == [inbox]
    fact = await granted(approval, request_id)
    assert fact.access_until - fact.access_from == fact.duration == timedelta(hours=1)
    state = evolve(RequestState(), submission)
    for event in await approval.published(request_id):
        approvals.check(state, event.data)
        state = evolve(state, event)
    assert state.approved == fact
    votes = [event.data for event in await approval.published(request_id) if isinstance(event.data, VoteCast)]
    assert [vote.duration for vote in votes] == [timedelta(hours=1), timedelta(minutes=90)]


async def test_votes_that_leave_nothing_together_are_told_so_and_the_later_one_is_not_recorded(
    approval: Approval,
) -> None:
    asked = [Resource(id=one, operations=["read", "write"]) for one in (ALICE, BOB)]
    request_id = await approval.passed_on(resources=asked)
    await approve(approval, DPO, request_id, resources=[{"id": ALICE, "operations": ["read"]}])
    before = await approval.everything()
    for left in ({"id": BOB, "operations": ["read"]}, {"id": ALICE, "operations": ["write"]}):
        response = await approval.call(ADMIN, "POST", path(request_id), {"resources": [left]})
        refused(response, 409, "nothing_in_common")
    assert await approval.everything() == before
    # He has not voted, so he still can.
    assert (await approve(approval, ADMIN, request_id))["grant"]["resources"] == [{"id": ALICE, "operations": ["read"]}]


async def test_one_denial_denies_whatever_others_have_voted(approval: Approval) -> None:
    request_id = await approval.passed_on()
    await approve(approval, DPO, request_id)
    denied = await approval.done(ADMIN, path(request_id, "deny"), {"comment": "No."})
    assert denied["state"] == "denied"
    refused(await approval.call(HELPDESK, "POST", path(request_id), {}), 409, "already_decided")


async def test_a_person_counts_once(approval: Approval) -> None:
    request_id = await approval.passed_on()
    await approve(approval, DPO, request_id)
    headers = {"authorization": f"Bearer {await approval.new_token(DPO)}"}
    for verb, body in (("approve", {}), ("deny", {"comment": "No."})):
        refused(await approval.call(DPO, "POST", path(request_id, verb), body), 409, "already_voted")
        again = await approval.http.post(path(request_id, verb), headers=headers, json=body)
        refused(again, 409, "already_voted")
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"


async def test_the_number_is_fixed_when_the_customer_is_asked(approval: Approval) -> None:
    two = await approval.passed_on()
    await require(approval, 1)
    one = await approval.passed_on()
    await require(approval, 3)
    assert (await approve(approval, DPO, one))["state"] == "approved"
    assert (await approve(approval, DPO, two))["state"] == "awaiting_customer"
    assert (await approve(approval, ADMIN, two))["state"] == "approved"


async def test_at_the_last_vote_only_those_count_who_still_decide(approval: Approval) -> None:
    request_id = await approval.passed_on()
    await approve(approval, HELPDESK, request_id, duration="PT1M")
    await dismiss(approval, HELPDESK)
    assert (await approve(approval, DPO, request_id))["state"] == "awaiting_customer"
    assert (await approve(approval, ADMIN, request_id))["state"] == "approved"
    events = await approval.published(request_id)
    fact = events[-1].data
    # Nor does what he left narrow what the others grant.
    assert fact.votes == [events[2].id, events[3].id]
    assert fact.duration == timedelta(hours=2)


async def test_whoever_lost_the_role_before_his_vote_casts_none(approval: Approval) -> None:
    request_id = await approval.passed_on()
    await approve(approval, DPO, request_id)
    token = await approval.token(HELPDESK)
    assert token
    await dismiss(approval, HELPDESK)
    refused(await approval.call(HELPDESK, "POST", path(request_id), {}), 403, "forbidden")


async def test_approvers_at_once_grant_once(approval: Approval) -> None:
    for _ in range(3):
        request_id = await approval.passed_on()
        people = [DPO, ADMIN, HELPDESK, AUDITOR, DPO, ADMIN]
        answers = await asyncio.gather(*(approval.call(who, "POST", path(request_id), {}) for who in people))
        assert sorted(one.status_code for one in answers) == [200, 200, 409, 409, 409, 409]
        events = await approval.published(request_id)
        assert types(events).count("request.vote_cast") == 2
        assert types(events).count("request.approved") == 1
        voters = [event.data.approver for event in events if isinstance(event.data, VoteCast)]
        assert len({voter.id for voter in voters if voter is not None}) == 2


async def test_the_same_person_at_once_casts_one_vote(approval: Approval) -> None:
    request_id = await approval.passed_on()
    answers = await asyncio.gather(*(approval.call(DPO, "POST", path(request_id), {}) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [200] + [409] * 5
    for one in answers:
        if one.status_code == 409:
            refused(one, 409, "already_voted")
    assert types(await approval.published(request_id)) == ["request.provider_approved", "request.vote_cast"]


async def test_a_last_vote_and_the_loss_of_an_earlier_voters_role_at_once(approval: Approval) -> None:
    """Whichever comes first: a grant never rests on the vote of somebody who had lost the role before it."""
    outcomes = set()
    for turn in range(8):
        await appoint(approval, HELPDESK)
        request_id = await approval.passed_on()
        await approve(approval, HELPDESK, request_id)
        voting = approval.call(DPO, "POST", path(request_id), {})
        if turn % 2:
            answer, _ = await asyncio.gather(voting, dismiss(approval, HELPDESK))
        else:
            _, answer = await asyncio.gather(dismiss(approval, HELPDESK), voting)
        assert answer.status_code == 200
        outcomes.add(answer.json()["state"])
        events = await approval.published(request_id)
        assert ("request.approved" in types(events)) is (answer.json()["state"] == "approved")
    assert outcomes <= {"approved", "awaiting_customer"}


async def test_a_vote_that_waited_past_the_deadline_is_too_late(approval: Approval) -> None:
    request_id = await approval.passed_on(window=timedelta(seconds=1))
    await approve(approval, DPO, request_id)
    async with transaction(approval.pool) as connection:
        # The vote comes in time, and waits for the request until it is not.
        await connection.execute("SELECT 1 FROM requests WHERE id = $1 FOR UPDATE", request_id)
        late = asyncio.create_task(approval.call(ADMIN, "POST", path(request_id), {}))

        async def over() -> bool:
            found: bool = await approval.pool.fetchval(
                "SELECT clock_timestamp() > (life->'submitted'->>'decide_by')::timestamptz FROM requests WHERE id = $1",
                request_id,
            )
            return found

        await until(over)
        assert not late.done()
    refused(await late, 409, "decision_window_closed")
    assert types(await approval.published(request_id)) == ["request.provider_approved", "request.vote_cast"]


async def test_what_the_world_forbids_meanwhile_is_denied_by_the_service_at_the_vote(approval: Approval) -> None:
    request_id = await approval.passed_on()
    assert (await put(approval, DPO, max_duration="PT1H")).status_code == 200
    try:
        # The first vote leaves too much, and the second can still heal that.
        assert (await approve(approval, DPO, request_id))["state"] == "awaiting_customer"
        assert (await approve(approval, ADMIN, request_id, duration="PT1H"))["state"] == "approved"
        other = await approval.passed_on()
        await approve(approval, DPO, other)
        assert (await approve(approval, ADMIN, other))["state"] == "denied"
        fact = (await approval.published(other))[-1].data
        assert isinstance(fact, RequestDenied)
        assert (fact.approver, fact.code) == (None, "duration_too_long")
    finally:
        await approval.pool.execute(
            "UPDATE tenants SET settings = jsonb_set(settings, '{max_duration}', '\"PT4H\"') WHERE tenant = 'contoso'"
        )


async def test_nobody_decides_on_his_own_request_from_the_customers_side_either(approval: Approval) -> None:
    """The same person in two realms: he is known by his address."""
    eve = await approval.member("eve@provider.example")
    twin = Member(
        id=new_id(), realm="contoso", email=eve.email, name="Eve Engel", roles=frozenset({"lockbox_approver"})
    )
    async with transaction(approval.pool) as connection:
        await members.add(connection, twin, password_hash=None)
    try:
        own = await approval.passed_on(engineer=Engineer(id=eve.id, email=eve.email.upper(), name=eve.name))
        approval.tokens["eve@contoso"] = await approval.new_token(twin)
        before = await approval.everything()
        for verb, body in (("approve", {}), ("deny", {"comment": "No."}), ("questions", {"text": "Why?"})):
            refused(await approval.call("eve@contoso", "POST", path(own, verb), body), 403, "own_request")
        assert await approval.everything() == before
        # Of others' requests she is a decider like any other.
        erin = await approval.member("erin@provider.example")
        theirs = await approval.passed_on(engineer=Engineer(id=erin.id, email=erin.email, name=erin.name))
        assert (await approve(approval, "eve@contoso", theirs))["state"] == "awaiting_customer"
    finally:
        await approval.pool.execute("DELETE FROM member_roles WHERE member_id = $1", twin.id)
        await approval.pool.execute("UPDATE members SET removed_at = clock_timestamp() WHERE id = $1", twin.id)


async def test_a_repeated_vote_with_the_same_key_is_one_vote_and_one_answer(approval: Approval) -> None:
    request_id = await approval.passed_on()
    answers = await asyncio.gather(
        *(approval.call(DPO, "POST", path(request_id), {}, idempotency_key="two") for _ in range(4))
    )
    assert {one.status_code for one in answers} == {200}
    assert len({one.content for one in answers}) == 1
    assert types(await approval.published(request_id)).count("request.vote_cast") == 1


async def test_settings_that_changed_while_he_looked_are_told_to_the_voter(approval: Approval) -> None:
    request_id = await approval.passed_on()
    seen = (await approval.call(DPO, "GET", "/v1/tenants/contoso/settings")).json()["version"]
    stale = await approval.call(DPO, "POST", path(request_id), {"settings_version": seen - 1})
    refused(stale, 409, "settings_changed")
    stale = await approval.call(DPO, "POST", path(request_id, "deny"), {"comment": "No.", "settings_version": seen + 1})
    refused(stale, 409, "settings_changed")
    assert (await approve(approval, DPO, request_id, settings_version=seen))["state"] == "awaiting_customer"


@pytest.mark.parametrize("demand", ["any", "passkey"])
async def test_a_demanded_second_factor_that_was_not_shown_leaves_everything_as_it_was(
    approval: Approval, demand: str
) -> None:
    request_id = await approval.passed_on()
    assert (await put(approval, DPO, second_factor=demand)).status_code == 200
    try:
        before = await approval.everything()
        for verb, body in (("approve", {}), ("deny", {"comment": "No."})):
            response = await approval.call(DPO, "POST", path(request_id, verb), body)
            refused(response, 403, "second_factor_required")
        refused(await approval.call(DPO, "POST", path(request_id), {"code": "12345"}), 422, "invalid_request", "code")
        assert await approval.everything() == before
    finally:
        await approval.pool.execute(
            "UPDATE tenants SET settings = jsonb_set(settings, '{second_factor}', '\"off\"') WHERE tenant = 'contoso'"
        )


async def test_an_issuers_word_that_is_being_written_is_waited_for(approval: Approval) -> None:
    """It changes a voter's roles under his own row alone: a last vote at the same time counts what is true after it."""
    request_id = await approval.passed_on()
    await approve(approval, HELPDESK, request_id)
    helper = await approval.member(HELPDESK)
    async with transaction(approval.pool) as connection:
        await connection.execute("SELECT 1 FROM members WHERE id = $1 FOR UPDATE", helper.id)
        await connection.execute(
            "DELETE FROM member_roles WHERE member_id = $1 AND role = 'lockbox_approver'", helper.id
        )
        voting = asyncio.create_task(approval.call(DPO, "POST", path(request_id), {}))

        async def waiting() -> bool:
            found: bool = await approval.pool.fetchval(
                "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR SHARE%')"
            )
            return found

        await until(waiting)
    answer = await voting
    assert (answer.status_code, answer.json()["state"]) == (200, "awaiting_customer")
