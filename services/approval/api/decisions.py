"""What people do with a request: approve, deny, ask, and end the access that came of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends, Request, Response
from pydantic import AfterValidator, Field

from services.approval import second_factor
from services.approval.callers import SignedIn
from services.approval.deciding import Case, decide
from services.approval.domain import requests as domain
from services.approval.domain import votes
from services.approval.domain.narrowing import narrowed
from services.approval.domain.refusals import Forbidden, Refused
from services.approval.one_time_passwords import Code
from services.approval.parts import Parts, parts_of
from services.approval.passkeys import GivenAssertion
from services.approval.second_factor import counts_codes
from services.approval.store import requests
from shared.database.pool import ACQUIRE_SECONDS, Connection
from shared.events.envelope import new_id
from shared.events.values import Resource, Vote
from shared.lifecycle import RequestView
from shared.statement import challenge, statement
from shared.web.bodies import Router
from shared.web.fields import Body, Duration, EventId, Operation, ResourceId, Text4K
from shared.web.idempotency import DOCUMENTED, Claim, IdempotencyKey, claim_of
from shared.web.problems import not_found, refuses

router = Router(tags=["decisions"])

MOST_RESOURCES: Final = 100
MOST_OPERATIONS: Final = 20
_CLOSED: Final = "`already_decided`, `decision_window_closed`"
_WRONG: Final = "`wrong_code`, `wrong_assertion`; `invalid_request`: `errors` names the fields"
_DECISION = refuses(
    {
        403: "`forbidden`, `own_request`",
        409: _CLOSED,
        503: "`state_unknown`, `unavailable`; Retry-After says when to try again",
    }
)
_VOTE = _DECISION | refuses(
    {
        403: "`forbidden`, `roles_stale`, `own_request`; `second_factor_required`: the tenant demands one",
        409: f"{_CLOSED}, `already_voted`, `settings_changed`",
        422: _WRONG,
        429: "`too_many_attempts`: too many wrong codes; Retry-After says when to try again",
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


class _Shown(Body):
    """`code` (a one-time password) or `assertion` (a passkey's, over this decision) where the tenant demands one.

    `settings_version` is that of the settings that the caller has seen: with others meanwhile nothing is decided.
    """

    code: Code | None = None
    assertion: GivenAssertion | None = None
    settings_version: Annotated[int, Field(ge=1)] | None = None


class Approval(_Shown):
    """`duration` and `resources` may be less than what was asked, never more; left out, all of it is granted."""

    comment: Text4K | None = None
    duration: Duration | None = None
    resources: (
        Annotated[list[NarrowedResource], Field(min_length=1, max_length=MOST_RESOURCES), AfterValidator(_each_id_once)]
        | None
    ) = None


class Denial(_Shown):
    comment: Text4K


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
    description="Where several people have to agree, the request waits until as many have, and what is granted is what all of "
    "them leave. Where the world has changed since the submission (the engineer's roles, the services covered, the longest "
    "duration), the service denies the request instead: it is `denied` in the answer, with the reason as a comment.",
    response_model=RequestView,
    responses=_VOTE
    | refuses(
        {
            409: f"{_CLOSED}, `already_voted`, `settings_changed`; `nothing_in_common`: with the votes before this one",
            422: f"`widens_request`: more than was asked; {_WRONG}",
        }
    ),
    openapi_extra=dict(DOCUMENTED),
    dependencies=[Depends(counts_codes)],
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
        step=lambda case: votes.approve(
            case.state,
            by=case.decider,
            comment=wanted.comment,
            duration=wanted.duration,
            resources=resources,
            world=case.world,
            vote_id=case.vote_id,
            grant_id=grant_id,
            now=case.now,
            assertion=case.assertion,
        ),
        prove=_prove(parts, "approve", wanted, resources, wanted.duration),
    )


@router.post(
    "/v1/requests/{request_id}/deny",
    summary="The customer refuses: one denial denies",
    response_model=RequestView,
    responses=_VOTE,
    openapi_extra=dict(DOCUMENTED),
    dependencies=[Depends(counts_codes)],
)
async def deny_request(
    request_id: EventId, body: Denial, caller: SignedIn, claim: Claimed, parts: Standing
) -> Response:
    return await decide(
        parts,
        caller,
        request_id,
        claim,
        may=_a_decider_of_the_tenant,
        step=lambda case: votes.deny(
            case.state,
            by=case.decider,
            comment=body.comment,
            world=case.world,
            now=case.now,
            assertion=case.assertion,
        ),
        prove=_prove(parts, "deny", body, None, None),
    )


def _prove(
    parts: Parts,
    vote: Vote,
    given: _Shown,
    resources: Sequence[Resource] | None,
    duration: timedelta | None,
) -> Callable[[Connection, Case], Awaitable[Case]]:
    """Make the demand of a second factor for a vote, as it is cast: what a passkey signs is the voter's own decision."""

    async def prove(connection: Connection, case: Case) -> Case:
        submitted, digest, world = case.state.submitted, case.state.digest, case.world
        assert submitted is not None
        assert digest is not None
        if given.settings_version not in (None, world.settings_version):
            raise Refused(
                "settings_changed", f"The settings are at version {world.settings_version} now: look at them again."
            )
        granted, lasting = narrowed(submitted.resources, submitted.duration, resources, duration)
        signed = statement(
            request_digest=digest,
            vote=vote,
            duration=lasting,
            resources=granted,
            settings_version=world.settings_version,
        )
        method, assertion = await second_factor.shown(
            connection,
            case.member.id,
            method=case.method,
            code=given.code,
            assertion=given.assertion,
            challenge=challenge(signed),
            demand=world.settings.second_factor,
            parts=parts,
            now=case.now,
        )
        return replace(case, method=method, assertion=assertion)

    return prove


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
        on_doubt=True,
    )


async def _request_of(parts: Parts, grant_id: str) -> str:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        request_id = await requests.of_grant(connection, grant_id)
    if request_id is None:
        raise not_found()
    return request_id
