"""Approve at the very deadline, while the window is being closed: there is never an approval and an expiry of one request."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta

import httpx
import pytest

from services.approval import own_decisions
from services.approval.deciding import written
from services.approval.domain.people import Member
from services.approval.domain.requests import World, provider_approve
from services.approval.store import own_decisions as asked_for
from services.approval.store import requests, tenants
from services.approval.store.requests import Held
from shared.database.outbox import append
from shared.database.pool import Connection, clock, transaction
from shared.events.envelope import Actor, Draft, Event, new_id
from shared.lifecycle import RequestState, evolve
from tests.integration.approval.system import Approval, approval_on, refused, told, types, window_closed
from tests.kernel import until
from tests.servers import Databases, PostgresServer

DPO, MAX = "dpo@contoso.example", "max@provider.example"
WAVES, A_WAVE = 20, 50
LEAD = timedelta(seconds=1)
EARLY, LATE = timedelta(milliseconds=600), timedelta(milliseconds=100)


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    databases = Databases(postgres.url)
    try:
        url = await databases("approval")
        async with approval_on(url, tmp_path_factory.mktemp("approval"), connections=20) as running:
            yield running
    finally:
        await databases.drop()


async def passed_on(approval: Approval, count: int, window: timedelta) -> list[Event]:
    """Have requests that the provider has approved, and give their submissions; all have one deadline."""
    first = await approval.submission(window=window)
    submissions = [
        told(first.data.model_copy(update={"request_id": new_id(), "decide_by": first.data.decide_by}))
        for _ in range(count)
    ]
    manager = await approval.member(MAX)
    async with transaction(approval.pool) as connection:
        tenant = await tenants.find(connection, "contoso")
        assert tenant is not None
        world = World(tenant.settings, tenant.version, engineer_may=True, offered=approval.app.state.parts.offered)
        now = await clock(connection)
        drafts = []
        for submission in submissions:
            state, made = _provider_approved(submission, manager, world, now)
            await requests.put(connection, submission.subject, state, len(made))
            drafts += made
        await append(connection, "approval", drafts, now=now)
    return submissions


def _provider_approved(
    submission: Event, manager: Member, world: World, now: datetime
) -> tuple[RequestState, list[Draft]]:
    state = evolve(RequestState(), submission)
    facts = provider_approve(
        state, by=manager.decider("password"), comment=None, world=world, grant_id=new_id(), now=now
    )
    return written(Held(submission.subject, state, 0), facts, human=Actor(manager.id, "manager"), now=now)


async def test_of_a_thousand_requests_none_is_both_approved_and_expired(approval: Approval) -> None:
    await approval.token(DPO)
    chance = random.Random(20_261_124)
    outcomes: Counter[str] = Counter()
    for _ in range(WAVES):
        submissions = await passed_on(approval, A_WAVE, LEAD)
        deadline: datetime = submissions[0].data.decide_by
        moments = [deadline - EARLY + (EARLY + LATE) * position / A_WAVE for position in range(A_WAVE)]
        chance.shuffle(moments)
        approvals = [
            at(approval, moment, approve(approval, submission.subject))
            for submission, moment in zip(submissions, moments, strict=True)
        ]
        # The reports come around the deadline, some early, and two copies of the service act on them.
        reports = [window_closed(one.payload | {"id": one.subject}) for one in submissions]
        closings = [
            at(approval, deadline + timedelta(milliseconds=20 * part - 60), close(approval, reports[part::10]))
            for part in range(10)
        ]
        answers = (await asyncio.gather(asyncio.gather(*approvals), asyncio.gather(*closings)))[0]
        await until(lambda: all_settled(approval))
        for submission, answer in zip(submissions, answers, strict=True):
            outcomes[await outcome(approval, submission, answer)] += 1
    assert outcomes.total() == WAVES * A_WAVE
    assert outcomes.keys() == {"approved", "expired"}


async def at(approval: Approval, moment: datetime, work: Awaitable[httpx.Response | None]) -> httpx.Response | None:
    """Do something at a moment of the database's clock."""
    now: datetime = await approval.pool.fetchval("SELECT clock_timestamp()")
    await asyncio.sleep(max(0.0, (moment - now).total_seconds()))
    return await work


async def approve(approval: Approval, request_id: str) -> httpx.Response:
    return await approval.call(DPO, "POST", f"/v1/requests/{request_id}/approve", {"comment": "Just in time."})


async def close(approval: Approval, reports: list[Event]) -> None:
    await approval.hear(*reports)
    await asyncio.gather(approval.settle(), approval.settle())


async def all_settled(approval: Approval) -> bool:
    await approval.settle()
    left: int = await approval.pool.fetchval("SELECT count(*) FROM own_decisions")
    return left == 0


async def outcome(approval: Approval, submission: Event, answer: httpx.Response | None) -> str:
    """Check that the answer, the events and the stored state say one thing, and give it."""
    assert answer is not None
    events = await approval.published(submission.subject)
    deadline: datetime = submission.data.decide_by
    folded = RequestState()
    for event in [submission, *events]:
        folded = evolve(folded, event)
    async with approval.pool.acquire() as connection:
        assert folded == await requests.find(connection, submission.subject)
    if answer.status_code == 200:
        assert types(events) == ["request.provider_approved", "request.vote_cast", "request.approved"]
        assert events[-1].time < deadline
        return "approved"
    refused(answer, 409, "decision_window_closed")
    assert types(events) == ["request.provider_approved", "request.expired"]
    assert events[-1].time >= deadline
    return "expired"


async def waiting_for_a_lock(connection: Connection) -> list[datetime]:
    """Give when the transactions began that wait for a lock now."""
    rows = await connection.fetch(
        "SELECT xact_start FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [row["xact_start"] for row in rows]


async def somebody_waits(connection: Connection, count: int = 1) -> bool:
    return len(await waiting_for_a_lock(connection)) == count


async def until_after(approval: Approval, moment: datetime) -> None:
    while await approval.pool.fetchval("SELECT clock_timestamp() < $1", moment):  # noqa: ASYNC110 - The database's clock.
        await asyncio.sleep(0.02)


async def test_a_decision_that_waited_past_the_deadline_for_the_row_is_refused(approval: Approval) -> None:
    await approval.token(DPO)
    (submission,) = await passed_on(approval, 1, timedelta(seconds=2))
    deadline: datetime = submission.data.decide_by
    async with approval.pool.acquire() as watching, approval.pool.acquire() as holding:
        held = holding.transaction()
        await held.start()
        await requests.hold(holding, submission.subject)
        deciding = asyncio.create_task(approve(approval, submission.subject))
        await until(lambda: somebody_waits(watching))
        # Whoever took the time at the start of his transaction would still believe that he is in time.
        assert [began < deadline for began in await waiting_for_a_lock(watching)] == [True]
        await until_after(approval, deadline)
        assert not deciding.done()
        await held.rollback()
        refused(await deciding, 409, "decision_window_closed")
    await close(approval, [window_closed(submission.payload | {"id": submission.subject})])
    assert types(await approval.published(submission.subject)) == ["request.provider_approved", "request.expired"]


async def test_a_decision_made_in_time_counts_though_it_is_committed_after_the_deadline(approval: Approval) -> None:
    await approval.token(DPO)
    (submission,) = await passed_on(approval, 1, timedelta(seconds=2))
    report = window_closed(submission.payload | {"id": submission.subject})
    async with approval.pool.acquire() as watching, approval.pool.acquire() as holding:
        # The tenant's counter is the last lock of a decision: whoever waits for it has judged already.
        held = holding.transaction()
        await held.start()
        await holding.execute("SELECT 1 FROM sequences WHERE tenant = 'contoso' FOR UPDATE")
        deciding = asyncio.create_task(approve(approval, submission.subject))
        await until(lambda: somebody_waits(watching))
        await until_after(approval, submission.data.decide_by)
        async with transaction(approval.pool) as connection:
            now = await clock(connection)
            await asked_for.ask(connection, submission.subject, "window_closed", due_at=now, cause=report.id)
        closing = asyncio.create_task(own_decisions.decide_due(approval.pool))
        await until(lambda: somebody_waits(watching, 2))
        assert not closing.done()
        await held.rollback()
        answer = await deciding
        await closing
    assert await outcome(approval, submission, answer) == "approved"
