"""The words that a passkey signs for a decision on a request."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, Field
from webauthn.helpers import bytes_to_base64url

from services.approval.api.factors import site_or_refusal
from services.approval.api.votes import MOST_RESOURCES, NarrowedResource
from services.approval.callers import SignedIn
from services.approval.deciding import problem_for
from services.approval.domain.narrowing import narrowed
from services.approval.domain.people import scope_of
from services.approval.domain.refusals import Forbidden, Refused
from services.approval.parts import Standing
from services.approval.store import factors, requests, tenants
from shared.database.pool import ACQUIRE_SECONDS, clock
from shared.events.values import Resource, Vote
from shared.lifecycle import RequestState
from shared.statement import challenge, statement
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Duration, EventId
from shared.web.problems import not_found, refuses

router = Router(tags=["factors"])


class Decision(Body):
    """A decision as it will be made: `duration` and `resources` as in the approval itself."""

    decision: Vote
    duration: Duration | None = None
    resources: Annotated[list[NarrowedResource], Field(min_length=1, max_length=MOST_RESOURCES)] | None = None


class ToSign(BaseModel):
    """`challenge` is the SHA-256 of `statement`, base64url; `credentials` are the ids of the caller's own passkeys."""

    challenge: str
    rp_id: str
    credentials: list[str]
    statement: str
    request_digest: str
    settings_version: int
    duration: Duration
    resources: list[Resource]


@router.post(
    "/v1/requests/{request_id}/challenge",
    summary="What a passkey signs for a decision: these very words",
    description="Nothing is stored: the decision is verified against what it says itself, under the settings of that moment.",
    response_model=ToSign,
    responses=refuses(
        {
            403: "`forbidden`, `roles_stale`",
            409: "`already_decided`, `passkeys_need_a_name`: the portal has an IP address alone",
            422: "`widens_request`; `invalid_request`: `errors` names the fields",
        }
    ),
)
async def words_to_sign(request_id: EventId, body: Decision, caller: SignedIn, parts: Standing) -> Response:
    member = caller.member
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        state = await requests.find(connection, request_id)
        now = await clock(connection)
        scope = scope_of(member)
        if scope is None or not scope.shows(state):
            raise not_found()
        if not member.decides_for(_tenant_of(state)):
            refusal = Forbidden("A request is decided by a global_admin or lockbox_approver of its tenant.")
            raise problem_for(refusal, member)
        tenant = await tenants.find(connection, _tenant_of(state))
        own = await factors.passkeys(connection, member.id)
    if tenant is None:
        raise not_found()
    site = site_or_refusal(parts)
    try:
        resources, duration = _as_decided(state, body, now)
    except Refused as refusal:
        raise problem_for(refusal) from None
    assert state.digest is not None
    words = statement(
        request_digest=state.digest,
        vote=body.decision,
        duration=duration,
        resources=resources,
        settings_version=tenant.version,
    )
    bound_here = [one for one in own if (one.rp_id, one.origin) == (site.rp_id, site.origin)]
    return answer(
        ToSign(
            challenge=bytes_to_base64url(challenge(words)),
            rp_id=site.rp_id,
            credentials=[bytes_to_base64url(one.credential_id) for one in bound_here],
            statement=words.decode(),
            request_digest=state.digest,
            settings_version=tenant.version,
            duration=duration,
            resources=resources,
        )
    )


def _tenant_of(state: RequestState) -> str:
    assert state.submitted is not None, "nobody is shown a request whose submission has not been seen"
    return state.submitted.tenant


def _as_decided(state: RequestState, body: Decision, now: datetime) -> tuple[list[Resource], timedelta]:
    """Give what the decision will be about; a denial is of all that was asked. Raises Refused, Invalid `widens_request`."""
    submitted = state.submitted
    assert submitted is not None
    current = state.state(now)
    if current != "awaiting_customer":
        raise Refused("already_decided", f"The request is {current}: there is nothing for you to decide.")
    if body.decision == "deny":
        return list(submitted.resources), submitted.duration
    wanted = None
    if body.resources is not None:
        wanted = [Resource(id=one.id, operations=one.operations) for one in body.resources]
    return narrowed(submitted.resources, submitted.duration, wanted, body.duration)
