"""Changes of one request by its requester: withdraw, answer, release."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from services.request_api.commands.callers import admitted
from services.request_api.commands.submit import SERVICE
from services.request_api.domain.people import Member, admit, sees
from services.request_api.store import requests
from services.request_api.store.requests import Row
from shared.database.outbox import append
from shared.database.pool import Connection, Pool, clock, transaction
from shared.events.envelope import Draft, Event
from shared.events.values import Data
from shared.lifecycle import RequestState, evolve
from shared.security.tokens import Session
from shared.web.answers import to_json
from shared.web.idempotency import Claim, Stored, claim_one, store_one
from shared.web.problems import Problem, forbidden, not_found

Find = Callable[[Connection], Awaitable[Row | None]]
Decide = Callable[[RequestState, Member, datetime], Data | Problem | None]


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes which request, and how: `find` locks it, `decide` is pure and answers None where nothing changes."""

    session: Session
    find: Find
    decide: Decide
    claim: Claim | None = None


async def change(pool: Pool, command: Change) -> Stored:
    """Make one change durable and answer with the request as it is now. Raises Problem."""
    async with transaction(pool) as connection:
        stored = await claim_one(connection, command.claim)
        member = await admitted(connection, command.session, admit)
        if stored is not None:
            return stored
        row = own(await command.find(connection), member)
        now = await clock(connection)
        data = command.decide(row.state, member, now)
        if isinstance(data, Problem):
            raise data
        state = row.state
        if data is not None:
            _, state = await publish(connection, row, data, member, now)
        answer = Stored(200, to_json(state.view(now)))
        await store_one(connection, command.claim, answer.status, answer.body)
    return answer


async def publish(
    connection: Connection, row: Row, data: Data, member: Member, now: datetime, *, causation_id: str | None = None
) -> tuple[Event, RequestState]:
    """Append an event of a request that the transaction holds, and fold it in. No lock is taken after the outbox's."""
    revision = row.revision + 1
    draft = Draft(
        data,
        row.tenant,
        row.id,
        member.actor,
        revision=revision,
        correlation_id=row.id,
        causation_id=causation_id,
    )
    (event,) = await append(connection, SERVICE, [draft], now=now)
    state = evolve(row.state, event)
    await requests.save(connection, row.id, state, revision, now)
    return event, state


def own(row: Row | None, member: Member) -> Row:
    """Give a request that the member asked for himself. Raises Problem 404, or 403 where he may see it and no more."""
    if row is None or not sees(member, row.engineer_id):
        raise not_found()
    if row.engineer_id != member.id or not member.may_ask:
        raise forbidden("Only the one who asked for the access may do this.")
    return row
