"""Submissions: those of many callers in one transaction, read in bulk, decided one by one, written in bulk."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.request_api.domain.people import Member, Standing, admit_asker
from services.request_api.domain.submission import Extended, Submission, TenantRules, submit
from services.request_api.store import people, requests, tenants
from shared.database.group_commit import GroupCommit
from shared.database.outbox import append
from shared.database.pool import Connection, Pool, clock, transaction
from shared.events.envelope import MAX_EVENT_BYTES, Draft, EventTooLarge, write
from shared.events.requests import RequestSubmitted
from shared.lifecycle import RequestState
from shared.messaging.inbox import blocked
from shared.security.tokens import Session
from shared.settings import CoveredService
from shared.web.answers import to_json
from shared.web.idempotency import Answer, Claim, Stored, Twin, claim, release, store
from shared.web.problems import Problem, invalid, problem_of, unavailable

SERVICE = "request_api"
# Ids grow by normalization to 25,600 bytes at most: with a body below this no record can exceed its bound.
_SURELY_SMALL = 20_000
# A decision repeats the resources and adds who made it, the grant and the digest: what may be asked must be decidable.
_ROOM_FOR_DECISIONS = 2_000


@dataclass(frozen=True, slots=True)
class Submit:
    """One caller's submission. `size` is that of the body, in bytes."""

    session: Session
    asked: Submission
    size: int
    request_id: str
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What a batch is decided by."""

    standings: Mapping[Session, Standing]
    tenants: Mapping[str, TenantRules]
    in_doubt: frozenset[str]
    extended: Mapping[str, Extended]
    now: datetime


@dataclass(frozen=True, slots=True)
class _Made:
    """A submission that is accepted."""

    data: RequestSubmitted
    draft: Draft


class Submissions:
    """Makes requests durable, many in one commit."""

    def __init__(self, pool: Pool, catalogue: Sequence[CoveredService]) -> None:
        self._pool = pool
        self._catalogue = {service.id: service for service in catalogue}
        self._group: GroupCommit[Submit, Stored] = GroupCommit(self._run)

    async def submit(self, command: Submit) -> Stored:
        """Submit a request; returns the answer. Raises Problem, and what is transient."""
        return await self._group.submit(command)

    async def close(self) -> None:
        await self._group.close()

    async def _run(self, commands: Sequence[Submit]) -> Sequence[Stored | Exception]:
        async with transaction(self._pool) as connection:
            verdicts = await claim(connection, [command.claim for command in commands])
            known = await _read(connection, commands)
            outcomes = [
                self._decide(command, verdict, known) for command, verdict in zip(commands, verdicts, strict=True)
            ]
            # A refused call made nothing: the key that it claimed stays free.
            await release(
                connection,
                [
                    command.claim
                    for command, verdict, outcome in zip(commands, verdicts, outcomes, strict=True)
                    if verdict is None and command.claim is not None and isinstance(outcome, Problem)
                ],
            )
            return await _write(connection, commands, outcomes, known.now)

    def _decide(
        self, command: Submit, verdict: Stored | Twin | Problem | None, known: _Known
    ) -> _Made | Stored | Twin | Problem:
        member = admit_asker(command.session, known.standings[command.session])
        if isinstance(member, Problem):
            return member
        if verdict is not None:
            return verdict
        return self._decide_new(command, member, known)

    def _decide_new(self, command: Submit, member: Member, known: _Known) -> _Made | Problem:
        asked = command.asked
        if asked.tenant in known.in_doubt:
            detail = f"An event about {asked.tenant} could not be read; until that is mended nothing is done."
            return unavailable(detail, "state_unknown")
        data = submit(
            asked,
            request_id=command.request_id,
            engineer=member,
            tenant=known.tenants.get(asked.tenant),
            extended=None if asked.extends is None else known.extended.get(asked.extends),
            catalogue=self._catalogue,
            now=known.now,
        )
        if isinstance(data, Problem):
            return data
        draft = Draft(data, asked.tenant, data.request_id, member.actor, revision=1, correlation_id=data.request_id)
        if command.size > _SURELY_SMALL:
            try:
                write(draft, service=SERVICE, sequence=1, time=known.now, limit=MAX_EVENT_BYTES - _ROOM_FOR_DECISIONS)
            except EventTooLarge as error:
                # Found here it is this caller's refusal; found by the outbox it would undo the whole batch.
                return problem_of(error) or invalid((error.field, "is too long"))
        return _Made(data, draft)


async def _read(connection: Connection, commands: Sequence[Submit]) -> _Known:
    sessions = {command.session for command in commands}
    named = {command.asked.tenant for command in commands}
    extended = {command.asked.extends for command in commands if command.asked.extends is not None}
    in_doubt = await blocked(connection, [*named, *(session.subject for session in sessions)])
    return _Known(
        standings=await people.standings(connection, list(sessions), in_doubt),
        tenants=await tenants.rules(connection, list(named)),
        in_doubt=in_doubt,
        extended=await requests.owners(connection, list(extended)),
        now=await clock(connection),
    )


async def _write(
    connection: Connection,
    commands: Sequence[Submit],
    outcomes: Sequence[_Made | Stored | Twin | Problem],
    now: datetime,
) -> list[Stored | Exception]:
    """Store what was accepted, and give each caller's answer.

    The digests of the events' bytes stand in the requests' rows and answers, so those are stored after the outbox: nobody else
    knows these rows yet, and their keys are claimed, so no lock is waited for while the tenants' counters are held.
    """
    made = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, _Made)]
    drafts = [outcome.draft for outcome in outcomes if isinstance(outcome, _Made)]
    events = await append(connection, SERVICE, drafts, now=now) if drafts else []
    states: dict[int, RequestState] = {
        place: RequestState(submitted=event.data, digest=hashlib.sha256(event.raw).hexdigest(), submission_id=event.id)
        for place, event in zip(made, events, strict=True)
    }
    bodies = {place: to_json(state.view(now)) for place, state in states.items()}
    claims = {place: claimed for place in made if (claimed := commands[place].claim) is not None}
    await store(connection, [Answer(claimed, 201, bodies[place]) for place, claimed in claims.items()])
    if states:
        await requests.insert(connection, list(states.values()))
    answers: list[Stored | Exception] = []
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Twin):
            answers.append(answers[outcome.of])
        elif isinstance(outcome, _Made):
            answers.append(Stored(201, bodies[place]))
        else:
            answers.append(outcome)
    return answers
