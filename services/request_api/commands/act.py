"""Actions under a grant: those of many callers in one transaction, and on the record before the answer is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import prometheus_client
import structlog

from services.request_api.commands.refusals import RefusalRecords
from services.request_api.commands.submit import SERVICE
from services.request_api.domain.gate import Action, Allowed, GrantPicture, Picture, Refused, decide
from services.request_api.domain.people import Member
from services.request_api.store import actions, people, requests
from services.request_api.store.actions import Recorded
from shared.database.group_commit import GroupCommit
from shared.database.outbox import append
from shared.database.pool import Connection, Pool, transaction
from shared.events.actions import ActionRecorded, ActionRefused
from shared.events.envelope import Actor, Draft
from shared.messaging.inbox import blocked
from shared.observability.metrics import REGISTRY
from shared.security.tokens import Grant
from shared.web.idempotency import Answer, Claim, Stored, Twin, claim, release, store
from shared.web.problems import Problem, forbidden, unauthorized, unavailable

# Whose events the gate's picture rests on.
DECIDES = "approval"

ANSWERED = prometheus_client.Counter(
    "lockbox_actions", "Actions decided, by code (`allowed` or a gate code).", ["code"], registry=REGISTRY
)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Act:
    """One action that is asked for under a token that we signed, which may have `expired`.

    `gate` names the enforcement point that asks.
    """

    grant: Grant
    token_id: str
    expired: bool
    action_id: str
    resource: str
    operation: str
    detail: str | None
    gate: str
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What a batch is decided by."""

    grants: Mapping[str, GrantPicture]
    complete_until: datetime | None
    members: Mapping[str, Member]
    in_doubt: frozenset[str]
    now: datetime


class Actions:
    """Decides on actions and makes the decisions durable, many in one commit."""

    def __init__(self, pool: Pool, *, staleness: timedelta) -> None:
        self._pool = pool
        self._staleness = staleness
        self._group: GroupCommit[Act, Stored] = GroupCommit(self._run)

    async def act(self, command: Act) -> Stored:
        """Have an action allowed and recorded; returns the answer.

        Raises Problem when it is refused, which is on the record too, and 503 `cannot_record` when neither can be recorded.
        """
        try:
            return await self._group.submit(command)
        except Problem:
            raise
        except Exception as error:
            log.warning("action_not_recorded", cause=repr(error)[:300])
            ANSWERED.labels("cannot_record").inc()
            detail = "The action cannot be recorded, so it is not allowed. Try again shortly."
            raise unavailable(detail, "cannot_record") from error

    async def close(self) -> None:
        await self._group.close()

    async def _run(self, commands: Sequence[Act]) -> Sequence[Stored | Exception]:
        async with transaction(self._pool) as connection:
            verdicts = await claim(connection, [command.claim for command in commands])
            known = await _read(connection, commands)
            outcomes = [
                self._outcome(command, verdict, known) for command, verdict in zip(commands, verdicts, strict=True)
            ]
            return await _write(connection, commands, verdicts, outcomes, known)

    def _outcome(
        self, command: Act, verdict: Stored | Twin | Problem | None, known: _Known
    ) -> Allowed | Refused | Stored | Twin | Problem:
        """Decide on an action; one that was answered before is decided on again.

        A kept answer says that the action is on the record, not that it is still allowed: after the end of the grant its
        repeat would be a yes without a grant.
        """
        if verdict is None:
            return self._decide(command, known)
        if isinstance(verdict, Stored) and isinstance(refused := self._decide(command, known), Refused):
            return refused
        return verdict

    def _decide(self, command: Act, known: _Known) -> Allowed | Refused:
        if command.expired:
            return Refused("token_invalid")
        grant = command.grant
        member = known.members.get(grant.subject)
        picture = Picture(
            complete_until=known.complete_until,
            in_doubt=not known.in_doubt.isdisjoint((grant.request_id, grant.tenant, grant.subject)),
            grant=known.grants.get(grant.request_id),
            engineer_may=member is not None and member.may_ask,
        )
        action = Action(
            grant_id=grant.grant_id,
            tenant=grant.tenant,
            engineer_id=grant.subject,
            token_until=datetime.fromtimestamp(grant.expires_at, UTC),
            resource=command.resource,
            operation=command.operation,
        )
        return decide(picture, action, known.now, staleness=self._staleness)


async def _read(connection: Connection, commands: Sequence[Act]) -> _Known:
    """Read what the decisions rest on.

    In this order: the grants are held; then how fresh the picture is; then the rest, which is at least as new as that.
    """
    engineers = {command.grant.subject for command in commands}
    held = {command.grant.request_id for command in commands}
    grants = await requests.share_grants(connection, list(held))
    complete_until, now = await actions.freshness(connection, DECIDES)
    return _Known(
        grants=grants,
        complete_until=complete_until,
        members=await people.members(connection, list(engineers)),
        in_doubt=await blocked(connection, list(engineers | held | {command.grant.tenant for command in commands})),
        now=now,
    )


async def _write(
    connection: Connection,
    commands: Sequence[Act],
    verdicts: Sequence[Stored | Twin | Problem | None],
    outcomes: Sequence[Allowed | Refused | Stored | Twin | Problem],
    known: _Known,
) -> list[Stored | Exception]:
    """Put every decision on the record and give each caller's answer."""
    refused = {
        command.token_id for command, outcome in zip(commands, outcomes, strict=True) if isinstance(outcome, Refused)
    }
    refusals = await RefusalRecords.read(connection, refused, known.now)
    answers: list[Stored | Exception] = []
    drafts: list[Draft] = []
    recorded: list[Recorded] = []
    to_keep: list[Answer] = []
    to_release: list[Claim] = []
    for command, verdict, outcome in zip(commands, verdicts, outcomes, strict=True):
        if isinstance(outcome, Twin):
            answers.append(answers[outcome.of])
        elif isinstance(outcome, Stored | Problem):
            answers.append(outcome)
        elif isinstance(outcome, Allowed):
            answer = Stored(201, orjson.dumps({"action_id": command.action_id, "allowed": True}))
            answers.append(answer)
            drafts.append(_draft(command, None, known))
            recorded.append(
                Recorded(
                    command.action_id,
                    command.grant.request_id,
                    command.grant.grant_id,
                    command.resource,
                    command.operation,
                )
            )
            if command.claim is not None:
                to_keep.append(Answer(command.claim, answer.status, answer.body))
            ANSWERED.labels("allowed").inc()
        else:
            answers.append(refusal(outcome, command.action_id))
            if refusals.count(command.token_id, command.grant, outcome):
                drafts.append(_draft(command, outcome, known))
            if command.claim is not None and verdict is None:
                to_release.append(command.claim)
            ANSWERED.labels(outcome.code).inc()
    await release(connection, to_release)
    await store(connection, to_keep)
    await actions.insert(connection, recorded, known.now)
    await refusals.write(connection)
    await append(connection, SERVICE, drafts, now=known.now)
    return answers


def _draft(command: Act, refused: Refused | None, known: _Known) -> Draft:
    grant = command.grant
    facts = {
        "action_id": command.action_id,
        "grant_id": grant.grant_id,
        "request_id": grant.request_id,
        "tenant": grant.tenant,
        "resource": command.resource,
        "operation": command.operation,
        "gate": command.gate,
        "detail": command.detail,
    }
    member = known.members.get(grant.subject)
    return Draft(
        ActionRecorded(**facts) if refused is None else ActionRefused(**facts, code=refused.code),
        grant.tenant,
        grant.request_id,
        Actor(grant.subject, "engineer") if member is None else member.actor,
        correlation_id=grant.request_id,
    )


_DETAILS = {
    "token_invalid": "The grant token is not valid any more. Fetch a new one.",
    "state_stale": "Nothing was heard of approvals and revocations for too long, so nothing is allowed. Try again shortly.",
    "state_unknown": "An event about this grant could not be read; until that is mended nothing is allowed under it.",
    "grant_ended": "The grant has ended.",
    "not_started": "The grant has not begun yet.",
    "out_of_scope": "The grant does not cover this operation on this resource.",
}


def refusal(refused: Refused, action_id: str) -> Problem:
    """Give the answer to a refused action: 401 for the token, 503 for what may pass, 403 for the rest."""
    detail = _DETAILS[refused.code]
    if refused.code == "token_invalid":
        problem = unauthorized("token_invalid", detail)
    elif refused.code in {"state_stale", "state_unknown"}:
        problem = unavailable(detail, refused.code)
    else:
        problem = forbidden(detail, refused.code)
    problem.members["action_id"] = action_id
    return problem
