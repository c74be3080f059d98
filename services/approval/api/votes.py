"""The customer's vote on a request: yes to all of it or to less, or no; with the second factor that the tenant demands."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends, Response
from pydantic import AfterValidator, Field

from services.approval import second_factor
from services.approval.api.decisions import CLOSED, DECISION, a_decider_of_the_tenant
from services.approval.callers import Claimed, SignedIn
from services.approval.deciding import Case, decide
from services.approval.domain import votes
from services.approval.domain.narrowing import narrowed
from services.approval.domain.refusals import Refused
from services.approval.one_time_passwords import Code
from services.approval.parts import Parts, Standing
from services.approval.passkeys import GivenAssertion
from services.approval.second_factor import counts_codes
from shared.database.pool import Connection
from shared.events.envelope import new_id
from shared.events.values import Resource, Vote
from shared.lifecycle import RequestView
from shared.statement import challenge, statement
from shared.web.bodies import Router
from shared.web.fields import Body, Duration, EventId, Operation, ResourceId, Text4K
from shared.web.idempotency import DOCUMENTED
from shared.web.problems import refuses

router = Router(tags=["decisions"])

MOST_RESOURCES: Final = 100
MOST_OPERATIONS: Final = 20
_WRONG: Final = "`wrong_code`, `wrong_assertion`; `invalid_request`: `errors` names the fields"
_VOTE = DECISION | refuses(
    {
        403: "`forbidden`, `roles_stale`, `own_request`; `second_factor_required`: the tenant demands one",
        409: f"{CLOSED}, `already_voted`, `settings_changed`",
        422: _WRONG,
        429: "`too_many_attempts`: too many wrong codes; Retry-After says when to try again",
    }
)


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
            409: f"{CLOSED}, `already_voted`, `settings_changed`; `nothing_in_common`: with the votes before this one",
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
        may=a_decider_of_the_tenant,
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
        may=a_decider_of_the_tenant,
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
