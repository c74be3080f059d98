"""What approval does with what it hears: it folds each event, and notes what it has to decide by itself."""

from datetime import datetime

from services.approval.store import own_decisions, requests
from services.approval.store.own_decisions import About
from shared.database.pool import Connection
from shared.events.envelope import Event
from shared.events.requests import DecisionWindowClosed, RequestSubmitted
from shared.events.values import RequestFacts
from shared.lifecycle import RequestState, evolve
from shared.messaging.inbox import Handler


class Contradiction(ValueError):
    """An event that cannot stand beside what was seen before: it is kept aside, and its request waits for a human."""


async def _fold(connection: Connection, event: Event) -> RequestState:
    """Fold one event into its request, and return the state."""
    facts: RequestFacts = event.data
    if facts.request_id != event.subject or facts.tenant != event.tenant:
        raise Contradiction(f"{event.type} speaks of another request or tenant than its envelope")
    held = await requests.hold(connection, event.subject)
    known = held.state.submitted
    if known is not None and known.tenant != event.tenant:
        raise Contradiction(f"{event.type} names the tenant {event.tenant}; the request is {known.tenant}'s")
    if isinstance(facts, RequestSubmitted) and held.state.submission_id not in (None, event.id):
        raise Contradiction("the request was submitted before, by another event")
    state = evolve(held.state, event)
    if state is not held.state:
        await requests.put(connection, event.subject, state, held.revision)
    return state


async def _folded(connection: Connection, event: Event) -> None:
    await _fold(connection, event)


async def _withdrawn(connection: Connection, event: Event) -> None:
    state = await _fold(connection, event)
    if state.approved is not None:
        await _ask(connection, event, "withdrawn", event.time)


async def _window_closed(connection: Connection, event: Event) -> None:
    """Keep the report for its time. Whether it comes too early is judged when it is decided, by this service's clock."""
    state = await _fold(connection, event)
    closed: DecisionWindowClosed = event.data
    submitted = state.submitted
    await _ask(connection, event, "window_closed", closed.decide_by if submitted is None else submitted.decide_by)


async def _ask(connection: Connection, event: Event, about: About, due_at: datetime) -> None:
    await own_decisions.ask(connection, event.subject, about, due_at=due_at, cause=event.id)


HANDLERS: dict[str, Handler] = {
    "lockbox.request.submitted.v1": _folded,
    "lockbox.request.withdrawn.v1": _withdrawn,
    "lockbox.request.information_provided.v1": _folded,
    "lockbox.request.window_closed.v1": _window_closed,
    "lockbox.access.token_issued.v1": _folded,
    "lockbox.access.released.v1": _folded,
    "lockbox.access.expired.v1": _folded,
}
