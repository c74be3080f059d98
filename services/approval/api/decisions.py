"""What people do with a request: approve, deny, ask, and end the access that came of it."""

from typing import Annotated, Final

from fastapi import Depends, Request, Response
from pydantic import AfterValidator, Field

from services.approval.callers import SignedIn
from services.approval.deciding import Case, decide
from services.approval.domain import requests as domain
from services.approval.domain.refusals import Forbidden
from services.approval.parts import Parts, parts_of
from services.approval.store import requests
from shared.database.pool import ACQUIRE_SECONDS
from shared.events.envelope import new_id
from shared.events.values import Resource
from shared.lifecycle import RequestView
from shared.web.bodies import Router
from shared.web.fields import Body, Duration, EventId, Operation, ResourceId, Text4K
from shared.web.idempotency import DOCUMENTED, Claim, IdempotencyKey, claim_of
from shared.web.problems import not_found, refuses

router = Router(tags=["decisions"])

MOST_RESOURCES: Final = 100
MOST_OPERATIONS: Final = 20
_DECISION = refuses(
    {
        403: "`forbidden`, `own_request`",
        409: "`already_decided`, `decision_window_closed`, `already_voted`",
        503: "`state_unknown`, `unavailable`; Retry-After says when to try again",
    }
)


class Comment(Body):
    comment: Text4K | None = None


class Reasoned(Body):
    comment: Text4K


def _each_once(operations: list[str]) -> list[str]:
    if len(set(operations)) < len(operations):
        raise ValueError("must not name an operation twice")
    return operations


class NarrowedResource(Body):
    id: ResourceId
    operations: Annotated[list[Operation], Field(min_length=1, max_length=MOST_OPERATIONS), AfterValidator(_each_once)]


def _each_id_once(resources: list[NarrowedResource]) -> list[NarrowedResource]:
    if len({one.id for one in resources}) < len(resources):
        raise ValueError("must not name a resource twice")
    return resources


class Approval(Body):
    """`duration` and `resources` may be less than what was asked, never more; left out, all of it is granted."""

    comment: Text4K | None = None
    duration: Duration | None = None
    resources: (
        Annotated[list[NarrowedResource], Field(min_length=1, max_length=MOST_RESOURCES), AfterValidator(_each_id_once)]
        | None
    ) = None


class Question(Body):
    text: Text4K


class Revocation(Body):
    reason: Text4K


async def _claim(
    request: Request, key: IdempotencyKey, caller: SignedIn, parts: Annotated[Parts, Depends(parts_of)]
) -> Claim | None:
    return await claim_of(request, key, caller=caller.name, digest=parts.digest)


Claimed = Annotated[Claim | None, Depends(_claim)]
Standing = Annotated[Parts, Depends(parts_of)]


def _a_manager(case: Case) -> None:
    if not case.member.is_manager:
        raise Forbidden("At this stage a manager of the provider decides.")


def _a_decider_of_the_tenant(case: Case) -> None:
    if not case.member.decides_for(case.tenant):
        raise Forbidden("A request is decided by a global_admin or lockbox_approver of its tenant.")


def _somebody_who_decides(case: Case) -> None:
    if not case.member.is_manager:
        _a_decider_of_the_tenant(case)
    elif case.state.submitted is not None and case.state.submitted.engineer.id == case.member.id:
        raise Forbidden("This is your own request: another manager asks about it.", "own_request")


def _somebody_who_ends_access(case: Case) -> None:
    if not case.member.is_manager and not case.member.decides_for(case.tenant):
        raise Forbidden(
            "Access is ended by a global_admin or lockbox_approver of its tenant, or a manager of the provider."
        )


@router.post(
    "/v1/requests/{request_id}/provider-approve",
    summary="The provider's manager agrees",
    response_model=RequestView,
    responses=_DECISION,
    openapi_extra=dict(DOCUMENTED),
)
async def provider_approve(
    request_id: EventId, caller: SignedIn, claim: Claimed, parts: Standing, body: Comment | None = None
) -> Response:
    comment = None if body is None else body.comment
    grant_id = new_id()
    return await decide(
        parts,
        caller,
        request_id,
        claim,
        may=_a_manager,
        step=lambda case: domain.provider_approve(
            case.state, by=case.decider, comment=comment, world=case.world, grant_id=grant_id, now=case.now
        ),
    )


@router.post(
    "/v1/requests/{request_id}/provider-deny",
    summary="The provider's manager refuses",
    response_model=RequestView,
    responses=_DECISION,
    openapi_extra=dict(DOCUMENTED),
)
async def provider_deny(
    request_id: EventId, body: Reasoned, caller: SignedIn, claim: Claimed, parts: Standing
) -> Response:
    return await decide(
        parts,
        caller,
        request_id,
        claim,
        may=_a_manager,
        step=lambda case: domain.provider_deny(
            case.state, by=case.decider, comment=body.comment, world=case.world, now=case.now
        ),
    )


@router.post(
    "/v1/requests/{request_id}/approve",
    summary="The customer agrees, to all of it or to less",
    description="Where the world has changed since the submission (the engineer's roles, the services covered, the longest "
    "duration), the service denies the request instead: it is `denied` in the answer, with the reason as a comment.",
    response_model=RequestView,
    responses=_DECISION
    | refuses({422: "`widens_request`: more than was asked; `invalid_request`: `errors` names the fields"}),
    openapi_extra=dict(DOCUMENTED),
)
async def approve_request(
    request_id: EventId, caller: SignedIn, claim: Claimed, parts: Standing, body: Approval | None = None
) -> Response:
    wanted = Approval() if body is None else body
    resources = None
    if wanted.resources is not None:
        resources = [Resource(id=one.id, operations=one.operations) for one in wanted.resources]
    grant_id = new_id()
    return await decide(
        parts,
        caller,
        request_id,
        claim,
        may=_a_decider_of_the_tenant,
        step=lambda case: domain.approve(
            case.state,
            by=case.decider,
            comment=wanted.comment,
            duration=wanted.duration,
            resources=resources,
            world=case.world,
            grant_id=grant_id,
            now=case.now,
        ),
    )


@router.post(
    "/v1/requests/{request_id}/deny",
    summary="The customer refuses",
    response_model=RequestView,
    responses=_DECISION,
    openapi_extra=dict(DOCUMENTED),
)
async def deny_request(
    request_id: EventId, body: Reasoned, caller: SignedIn, claim: Claimed, parts: Standing
) -> Response:
    return await decide(
        parts,
        caller,
        request_id,
        claim,
        may=_a_decider_of_the_tenant,
        step=lambda case: domain.deny(
            case.state, by=case.decider, comment=body.comment, world=case.world, now=case.now
        ),
    )


@router.post(
    "/v1/requests/{request_id}/questions",
    summary="Ask the engineer something before deciding",
    response_model=RequestView,
    responses=_DECISION | refuses({409: "`already_decided`, `decision_window_closed`, `too_many_questions`"}),
    openapi_extra=dict(DOCUMENTED),
)
async def ask_question(
    request_id: EventId, body: Question, caller: SignedIn, claim: Claimed, parts: Standing
) -> Response:
    return await decide(
        parts,
        caller,
        request_id,
        claim,
        may=_somebody_who_decides,
        step=lambda case: domain.ask(case.state, by=case.member.person, text=body.text, now=case.now),
    )


@router.post(
    "/v1/grants/{grant_id}/revoke",
    summary="End the access at once",
    response_model=RequestView,
    responses=_DECISION | refuses({403: "`forbidden`", 409: "`access_ended`"}),
    openapi_extra=dict(DOCUMENTED),
)
async def revoke_grant(
    grant_id: EventId, body: Revocation, caller: SignedIn, claim: Claimed, parts: Standing
) -> Response:
    return await decide(
        parts,
        caller,
        await _request_of(parts, grant_id),
        claim,
        may=_somebody_who_ends_access,
        step=lambda case: domain.revoke(case.state, by=case.member.person, reason=body.reason, now=case.now),
    )


async def _request_of(parts: Parts, grant_id: str) -> str:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        request_id = await requests.of_grant(connection, grant_id)
    if request_id is None:
        raise not_found()
    return request_id
