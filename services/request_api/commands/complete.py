"""How an action ended: reported once, under a token of the same grant."""

from dataclasses import dataclass
from typing import Literal

from services.request_api.commands.submit import SERVICE
from services.request_api.domain.completion import refuse_completion
from services.request_api.store import actions, people, requests
from shared.database.outbox import append
from shared.database.pool import Pool, transaction
from shared.events.actions import ActionCompleted
from shared.events.envelope import Actor, Draft
from shared.security.tokens import Grant
from shared.web.answers import to_json
from shared.web.idempotency import Claim, Stored, claim_one, store_one
from shared.web.problems import not_found

Outcome = Literal["success", "failure"]


@dataclass(frozen=True, slots=True)
class Complete:
    """How an action under a grant ended; `gate` names the enforcement point that reports it."""

    grant: Grant
    action_id: str
    outcome: Outcome
    detail: str | None
    gate: str
    claim: Claim | None = None


async def complete(pool: Pool, command: Complete) -> Stored:
    """Record how an action ended. Raises Problem 404, 403 `grant_ended` long after the grant's end, 409 `already_completed`."""
    grant = command.grant
    async with transaction(pool) as connection:
        stored = await claim_one(connection, command.claim)
        if stored is not None:
            return stored
        pictures = await requests.share_grants(connection, [grant.request_id])
        found = await actions.complete(connection, command.action_id, grant.grant_id)
        if found is None:
            raise not_found()
        action, completed_at, now = found
        refused = refuse_completion(pictures.get(grant.request_id), completed_at, now)
        if refused is not None:
            raise refused
        await actions.set_completed(connection, action.action_id, now)
        answer = Stored(201, to_json({"action_id": action.action_id, "outcome": command.outcome, "completed_at": now}))
        await store_one(connection, command.claim, answer.status, answer.body)
        member = (await people.members(connection, [grant.subject])).get(grant.subject)
        data = ActionCompleted(
            action_id=action.action_id,
            grant_id=grant.grant_id,
            request_id=grant.request_id,
            tenant=grant.tenant,
            resource=action.resource,
            operation=action.operation,
            gate=command.gate,
            outcome=command.outcome,
            detail=command.detail,
        )
        actor = Actor(grant.subject, "engineer") if member is None else member.actor
        draft = Draft(data, grant.tenant, grant.request_id, actor, correlation_id=grant.request_id)
        await append(connection, SERVICE, [draft], now=now)
    return answer
