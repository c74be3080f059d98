"""The projection `usage`: what was done and what was refused under each request's grant, counted. Sums have no order."""

from collections import Counter
from collections.abc import Sequence

from services.audit.projections.projector import Projection
from services.audit.store import requests as store
from services.audit.store.requests import Done
from shared.database.pool import Connection
from shared.events.envelope import Event

_RECORDED = "lockbox.action.recorded.v1"
_REFUSED = "lockbox.action.refused.v1"
_SUMMARIZED = "lockbox.action.refusals_summarized.v1"


async def _count(connection: Connection, events: Sequence[Event]) -> None:
    done: Counter[Done] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for event in events:
        # There are thousands: the two texts are checked here, and not by the class of the data.
        payload = event.payload
        if event.type == _RECORDED:
            done[Done(event.tenant, event.subject, _text(payload["resource"]), _text(payload["operation"]))] += 1
        elif event.type == _REFUSED:
            refused[event.tenant, event.subject] += 1
        else:
            refused[event.tenant, event.subject] += event.data.count
    if done:
        await store.count_actions(connection, done)
    if refused:
        await store.count_refusals(connection, refused)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("resource and operation are texts")
    return value


async def _count_one(connection: Connection, event: Event) -> None:
    await _count(connection, [event])


USAGE = Projection(
    name="usage",
    tables=("usage", "refusals"),
    handlers=dict.fromkeys((_RECORDED, _REFUSED, _SUMMARIZED), _count_one),
    together=_count,
)
