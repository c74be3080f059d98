"""One decision on one request: held, judged by the clock as it is once it is held, folded, recorded.

Everything that decides takes its locks in this order: tenant, people, request, the tenant's counter of events. The clock is
read after the request's lock, so a decision that waited past the deadline for it is judged as what it is: too late.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Response

from services.approval.callers import Caller, as_known_now
from services.approval.domain.people import SUBMITTING_ROLES, Member, scope_of
from services.approval.domain.refusals import Forbidden, Invalid, Refused
from services.approval.domain.requests import World
from services.approval.parts import SERVICE, Parts
from services.approval.store import deciders, members, requests, tenants
from services.approval.store.requests import Held
from shared.database.outbox import append
from shared.database.pool import Connection, clock, transaction
from shared.events.envelope import PROVIDER, Actor, Draft, new_id, service_actor, write
from shared.events.requests import VoteCast
from shared.events.values import Assertion, Data, Decider, Decision
from shared.lifecycle import RequestState, evolve
from shared.messaging.inbox import is_blocked
from shared.web.answers import answer, to_json
from shared.web.idempotency import Claim, claim_one, store_one
from shared.web.problems import Problem, forbidden, invalid, not_found, unavailable

ROLES_STALE: Final = (
    "Your organization's sign-in has not confirmed your roles for five minutes: sign in through it again."
)


@dataclass(frozen=True, slots=True)
class Case:
    """A request held for a decision: who decides, as he is known now; what else counts; and the time.

    `vote_id` is the id that a vote's event gets, since an approval names the votes that it rests on. `assertion` is there once
    the human has shown that he signed this very decision.
    """

    held: Held
    member: Member
    method: str
    world: World
    now: datetime
    vote_id: str
    assertion: Assertion | None = None

    @property
    def state(self) -> RequestState:
        return self.held.state

    @property
    def tenant(self) -> str:
        assert self.state.submitted is not None
        return self.state.submitted.tenant

    @property
    def decider(self) -> Decider:
        return self.member.decider(self.method)


async def decide(
    parts: Parts,
    caller: Caller,
    request_id: str,
    claim: Claim | None,
    *,
    may: Callable[[Case], None],
    step: Callable[[Case], Sequence[Data]],
    prove: Callable[[Connection, Case], Awaitable[Case]] | None = None,
    on_doubt: bool = False,
) -> Response:
    """Make a human's decision and answer with the request as it is then. A call made before gets its first answer.

    `prove` demands what a decision takes beside the session, of one that is allowed otherwise. All three raise Refused.
    `on_doubt` is for what only ends access: it is done also where an event of the request could not be applied.
    Raises Problem: 404 for what the caller does not see, and what the refusal stands for.
    """
    async with transaction(parts.pool) as connection:
        made = await claim_one(connection, claim)
        if made is not None:
            return made.response()
        case = await _hold(connection, parts, caller, request_id)
        if not on_doubt and await is_blocked(connection, [request_id]):
            # An event that could not be applied may be the withdrawal: whoever decides now decides on he knows not what.
            raise unavailable(
                "An event of this request could not be applied: nothing is decided on it.", "state_unknown"
            )
        try:
            may(case)
            facts = step(case)
            if prove is not None:
                case = await prove(connection, case)
                facts = step(case)
        except Refused as refusal:
            raise problem_for(refusal, case.member) from None
        state, drafts = written(
            case.held, facts, human=Actor(case.member.id, case.member.acts_as), now=case.now, vote_id=case.vote_id
        )
        await requests.put(connection, request_id, state, case.held.revision + len(drafts))
        body = to_json(state.view(case.now))
        await store_one(connection, claim, 200, body)
        await append(connection, SERVICE, drafts, now=case.now)
    return answer(body)


async def _hold(connection: Connection, parts: Parts, caller: Caller, request_id: str) -> Case:
    parties = await requests.parties(connection, request_id)
    if parties is None:
        raise not_found()
    tenant_id, engineer_id = parties
    if caller.member.realm not in (PROVIDER, tenant_id):
        raise not_found()
    tenant = await tenants.hold(connection, tenant_id, "SHARE")
    if tenant is None:
        raise unavailable("The tenant is not known here: nothing is decided for it.", "state_unknown")
    people = await members.hold(connection, [caller.member.id, engineer_id])
    held = await requests.hold(connection, request_id)
    now = await clock(connection)
    caller = await as_known_now(connection, caller)
    scope = scope_of(caller.member)
    if scope is None or not scope.shows(held.state):
        raise not_found()
    engineer = people.get(engineer_id)
    world = World(
        settings=tenant.settings,
        settings_version=tenant.version,
        engineer_may=engineer is not None
        and engineer.realm == PROVIDER
        and not engineer.roles.isdisjoint(SUBMITTING_ROLES),
        offered=parts.offered,
        deciding=await deciders.among(connection, tenant_id, {one.member_id for one in held.state.ballots.values()}),
    )
    return Case(held, caller.member, caller.method, world, now, vote_id=new_id())


def written(
    held: Held,
    facts: Sequence[Data],
    *,
    human: Actor | None,
    now: datetime,
    cause: str | None = None,
    vote_id: str | None = None,
) -> tuple[RequestState, list[Draft]]:
    """Fold facts into a request's state and draft their events. What names no human was done by the service."""
    submitted = held.state.submitted
    assert submitted is not None
    state, drafts = held.state, []
    for position, fact in enumerate(facts, 1):
        said_by = fact.approver if isinstance(fact, Decision) else getattr(fact, "by", None)
        draft = Draft(
            data=fact,
            tenant=submitted.tenant,
            subject=held.id,
            actor=human if human is not None and said_by is not None else service_actor(SERVICE),
            revision=held.revision + position,
            correlation_id=held.id,
            causation_id=cause,
            id=vote_id if vote_id is not None and isinstance(fact, VoteCast) else new_id(),
        )
        # The outbox makes the bytes that count, under the tenant's counter; the fold reads only id, time and data.
        state = evolve(state, write(draft, service=SERVICE, sequence=position, time=now))
        drafts.append(draft)
    return state, drafts


def problem_for(refusal: Refused, member: Member | None = None) -> Problem:
    """Give the answer that a refusal stands for: 422, 403 or 409.

    A member whose issuer has not confirmed his roles lately is told that, since he may be allowed it once it has.
    """
    if isinstance(refusal, Invalid):
        return invalid(*refusal.errors, code=refusal.code)
    if isinstance(refusal, Forbidden):
        if refusal.code == "forbidden" and member is not None and member.stale_roles:
            return forbidden(ROLES_STALE, "roles_stale")
        return forbidden(refusal.detail, refusal.code)
    return Problem(409, refusal.code, refusal.detail)
