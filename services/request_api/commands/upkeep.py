"""What the service does by itself: it sums up refusals once a minute."""

from collections import defaultdict
from collections.abc import Sequence

import structlog

from services.request_api.commands.submit import SERVICE
from services.request_api.store import actions
from services.request_api.store.actions import Refusals
from shared.database.faults import TRANSIENT
from shared.database.outbox import append
from shared.database.pool import Pool, clock, transaction
from shared.events.actions import RefusalsSummarized
from shared.events.envelope import Draft, service_actor
from shared.waiting import pause

SUMMARIZE_EVERY_SECONDS = 5.0

log = structlog.get_logger(__name__)


async def summarizing(pool: Pool) -> None:
    """Sum up the refusals of each minute that is over, until cancelled."""
    while True:
        try:
            await summarize(pool)
        except TRANSIENT as error:
            log.warning("summaries_postponed", error=repr(error))
        await pause(SUMMARIZE_EVERY_SECONDS)


async def summarize(pool: Pool) -> None:
    """Publish a RefusalsSummarized for each token and past minute in which refusals were only counted."""
    async with transaction(pool) as connection:
        past = await actions.take_past_refusals(connection)
        groups: dict[tuple[str, object], list[Refusals]] = defaultdict(list)
        for one in past:
            if one.counted:
                groups[one.token_id, one.minute].append(one)
        drafts = [_summary(group) for group in groups.values()]
        if drafts:
            await append(connection, SERVICE, drafts, now=await clock(connection))


def _summary(group: Sequence[Refusals]) -> Draft:
    one = group[0]
    data = RefusalsSummarized(
        grant_id=one.grant_id,
        count=sum(part.counted for part in group),
        codes={part.code: part.counted for part in sorted(group, key=lambda part: part.code)},
        first=min(part.first for part in group if part.first is not None),
        last=max(part.last for part in group if part.last is not None),
    )
    return Draft(data, one.tenant, one.request_id, service_actor(SERVICE), correlation_id=one.request_id)
