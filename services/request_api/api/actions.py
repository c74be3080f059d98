"""Actions under a grant token: asked for before they are done, and how they ended."""

from typing import Any, Final

from fastapi import Request
from pydantic import BaseModel

from services.request_api.api.callers import UnderGrant
from services.request_api.commands.act import Act
from services.request_api.commands.complete import Complete, Outcome, complete
from services.request_api.core import core_of
from shared.events.envelope import new_id
from shared.web.bodies import Router
from shared.web.fields import Body, EventId, Operation, ResourceId, Text4K, Timestamp
from shared.web.idempotency import DOCUMENTED, IdempotencyKey, claim_of, idempotency_key
from shared.web.problems import refuses

# What the record names as the enforcement point of actions that are reported here.
GATE: Final = "actions-api"


class ActionBody(Body):
    resource: ResourceId
    operation: Operation
    detail: Text4K | None = None


class CompletionBody(Body):
    outcome: Outcome
    detail: Text4K | None = None


class AllowedView(BaseModel):
    action_id: str
    allowed: bool


class CompletionView(BaseModel):
    action_id: str
    outcome: Outcome
    completed_at: Timestamp


router = Router(prefix="/v1/actions", tags=["actions"])


@router.post(
    "",
    status_code=201,
    response_model=AllowedView,
    summary="Ask whether something may be done under a grant; the answer is on the record",
    responses=refuses(
        {
            403: "`grant_ended`, `not_started`, `out_of_scope`; with `action_id`",
            503: "`state_stale`, `state_unknown` (with `action_id`), `cannot_record`; Retry-After says when to try again",
        }
    ),
    openapi_extra=dict(DOCUMENTED),
)
async def act(request: Request, body: ActionBody, token: UnderGrant) -> Any:
    core = core_of(request)
    key = await idempotency_key(request)
    command = Act(
        grant=token.grant,
        token_id=token.token_id,
        expired=token.expired,
        action_id=new_id(),
        resource=body.resource,
        operation=body.operation,
        detail=body.detail,
        gate=GATE,
        claim=await claim_of(request, key, caller=token.caller, digest=core.digest),
    )
    return (await core.actions.act(command)).response()


@router.post(
    "/{action_id}/completion",
    status_code=201,
    response_model=CompletionView,
    summary="Report how an allowed action ended, also shortly after the grant's end",
    responses=refuses(
        {403: "`grant_ended`: the grant ended long ago", 409: "`already_completed`: it was reported before"}
    ),
    openapi_extra=dict(DOCUMENTED),
)
async def complete_action(
    request: Request, action_id: EventId, body: CompletionBody, token: UnderGrant, key: IdempotencyKey
) -> Any:
    core = core_of(request)
    command = Complete(
        grant=token.grant,
        action_id=action_id,
        outcome=body.outcome,
        detail=body.detail,
        gate=GATE,
        claim=await claim_of(request, key, caller=token.caller, digest=core.digest),
    )
    return (await complete(core.pool, command)).response()
