"""Tells a realm's log of failed sign-ins to its accounts, some seconds later: no answer's time says which accounts exist."""

from datetime import timedelta
from typing import Final

import structlog

from services.approval.parts import SERVICE
from services.approval.recording import record
from services.approval.store import failures
from services.approval.store.failures import Failed
from shared.database.faults import TRANSIENT
from shared.database.pool import Pool, clock, transaction
from shared.events.envelope import service_actor
from shared.events.members import SignInFailed
from shared.waiting import pause

LOOK_SECONDS: Final = 2.0
# An attempt stands as failed while it is under way: one that is older is over.
SETTLED: Final = timedelta(seconds=5)
ONCE_IN: Final = timedelta(minutes=1)
# How many addresses an event names at most.
ADDRESSES: Final = 20
BATCH: Final = 100

log = structlog.get_logger(__name__)


async def keep_telling(pool: Pool) -> None:
    """Tell of what failed, until cancelled."""
    while True:
        try:
            await tell(pool)
        except TRANSIENT as error:
            log.warning("failed_sign_ins_postponed", error=repr(error))
        except Exception:
            # Whatever it is, stopping here would be worse: what failed stays noted, and somebody is told.
            log.exception("failed_sign_ins_not_told")
        await pause(LOOK_SECONDS)


async def tell(pool: Pool, *, settled: timedelta = SETTLED, once_in: timedelta = ONCE_IN) -> int:
    """Record one SignInFailed for each account with failures that was not told of just now; return how many.

    Of several copies of the service one does it.
    """
    number = 0
    while True:
        async with transaction(pool) as connection:
            if not await failures.watch_alone(connection):
                return number
            now = await clock(connection)
            found = await failures.untold(
                connection, now, settled=settled, pause=once_in, addresses=ADDRESSES, limit=BATCH
            )
            facts = [fact for fact in map(_fact, found) if fact is not None]
            await failures.told(connection, [fact.member.id for fact in facts], now)
            await record(connection, facts, actor=service_actor(SERVICE), now=now)
        number += len(facts)
        if len(found) < BATCH:
            return number


def _fact(failed: Failed) -> SignInFailed | None:
    if failed.member is None:
        return None
    return SignInFailed(
        realm=failed.realm,
        member=failed.member,
        code=failed.code,
        attempts=failed.attempts,
        addresses=list(failed.addresses),
    )
