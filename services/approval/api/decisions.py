"""What people do with a request beside the customer's vote: the manager's decision, a question, the end of the access."""

from typing import Final

from fastapi import Response

from services.approval.callers import Claimed, SignedIn
from services.approval.deciding import Case, decide
from services.approval.domain import requests as domain
from services.approval.domain.refusals import Forbidden
from services.approval.parts import Parts, Standing
from services.approval.store import requests
from shared.database.pool import ACQUIRE_SECONDS
from shared.events.envelope import new_id
from shared.lifecycle import RequestView
from shared.web.bodies import Router
from shared.web.fields import Body, EventId, Text4K
from shared.web.idempotency import DOCUMENTED
from shared.web.problems import not_found, refuses

router = Router(tags=["decisions"])

CLOSED: Final = "`already_decided`, `decision_window_closed`"
DECISION = refuses(
    {
        403: "`forbidden`, `own_request`",
        409: CLOSED,
        503: "`state_unknown`, `unavailable`; Retry-After says when to try again",
    }
)


class Comment(Body):
    comment: Text4K | None = None


class Reasoned(Body):
    comment: Text4K


class Question(Body):
    text: Text4K


class Revocation(Body):
    reason: Text4K


def _a_manager(case: Case) -> None:
    if not case.member.is_manager:
        raise Forbidden("At this stage a manager of the provider decides.")


def a_decider_of_the_tenant(case: Case) -> None:
    if not case.member.decides_for(case.tenant):
        raise Forbidden("A request is decided by a global_admin or lockbox_approver of its tenant.")


def _somebody_who_decides(case: Case) -> None:
    if not case.member.is_manager:
        a_decider_of_the_tenant(case)
    assert case.state.submitted is not None
    domain.not_his_own(case.state.submitted, case.member.person)


def _somebody_who_ends_access(case: Case) -> None:
    if not case.member.is_manager and not case.member.decides_for(case.tenant):
        raise Forbidden(
            "Access is ended by a global_admin or lockbox_approver of its tenant, or a manager of the provider."
        )


@router.post(
    "/v1/requests/{request_id}/provider-approve",
    summary="The provider's manager agrees",
    response_model=RequestView,
    responses=DECISION,
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
    responses=DECISION,
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
    "/v1/requests/{request_id}/questions",
    summary="Ask the engineer something before deciding",
    response_model=RequestView,
    responses=DECISION | refuses({409: "`already_decided`, `decision_window_closed`, `too_many_questions`"}),
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
    responses=DECISION | refuses({403: "`forbidden`", 409: "`access_ended`"}),
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
        on_doubt=True,
    )


async def _request_of(parts: Parts, grant_id: str) -> str:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        request_id = await requests.of_grant(connection, grant_id)
    if request_id is None:
        raise not_found()
    return request_id
