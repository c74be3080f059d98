"""What the service decides by itself: a closed window, a withdrawal of what it had approved, a grant whose engineer is gone.

The intake (or whoever removes an engineer) only notes what is asked for; this task decides, each in a transaction that holds
one request. So the intake, which holds many, never waits for a tenant's counter, and nobody waits in a circle.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from services.approval.deciding import written
from services.approval.domain.requests import Facts, answer_withdrawal, close_window, end_for_gone_engineer
from services.approval.parts import SERVICE
from services.approval.store import own_decisions, requests
from services.approval.store.own_decisions import Due
from shared.database.faults import TRANSIENT
from shared.database.outbox import append
from shared.database.pool import ACQUIRE_SECONDS, Pool, clock, transaction
from shared.lifecycle import RequestState
from shared.messaging.inbox import is_blocked
from shared.waiting import woken

BATCH = 100
# How often it looks when nobody wakes it: for what was asked too early, and what another copy of the service noted.
LOOK_SECONDS = 1.0
# How long it leaves alone what cannot be decided now: an event of that request is missing or dead.
PUT_OFF = timedelta(seconds=5)

log = structlog.get_logger(__name__)


async def keep_deciding(pool: Pool, wake: asyncio.Event) -> None:
    """Decide what is due, until cancelled; `wake` says that something new was asked for."""
    while True:
        wake.clear()
        try:
            await decide_due(pool)
        except TRANSIENT as error:
            log.warning("own_decisions_postponed", error=repr(error))
        except Exception:
            # Whatever it is, stopping here would be worse: what is due stays noted, and somebody is told.
            log.exception("own_decisions_failed")
        await woken(wake, LOOK_SECONDS)


async def decide_due(pool: Pool) -> None:
    """Decide all that is due now. Raises transient faults; a decision that fails otherwise is put off, and logged."""
    while True:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            batch = await own_decisions.due(connection, limit=BATCH)
        for one in batch:
            try:
                await settle(pool, one)
            except TRANSIENT:
                raise
            except Exception:
                log.exception("own_decision_failed", request=one.request_id, about=one.about)
                async with transaction(pool) as connection:
                    await own_decisions.put_off(connection, one, await clock(connection) + PUT_OFF)
        if len(batch) < BATCH:
            return


async def settle(pool: Pool, one: Due) -> None:
    """Make one decision, or put it off to its time. Another copy of the service may do the same: one of them does it."""
    async with transaction(pool) as connection:
        held = await requests.hold(connection, one.request_id)
        now = await clock(connection)
        if not await own_decisions.still_asked(connection, one):
            return
        submitted = held.state.submitted
        # What only ends access is decided on any doubt.
        unknown = one.about != "engineer_gone" and await is_blocked(connection, [one.request_id])
        if submitted is None or unknown:
            await own_decisions.put_off(connection, one, now + PUT_OFF)
            return
        if one.about == "window_closed" and now < submitted.decide_by:
            await own_decisions.put_off(connection, one, submitted.decide_by)
            return
        await own_decisions.done(connection, one)
        facts = _decided(one, held.state, now)
        if facts:
            state, drafts = written(held, facts, human=None, now=now, cause=one.cause)
            await requests.put(connection, held.id, state, held.revision + len(drafts))
            await append(connection, SERVICE, drafts, now=now)


def _decided(one: Due, state: RequestState, now: datetime) -> Facts:
    match one.about:
        case "window_closed":
            return close_window(state, now)
        case "withdrawn":
            return answer_withdrawal(state, now)
        case "engineer_gone":
            return end_for_gone_engineer(state, now)
