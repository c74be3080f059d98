"""Decisions on a request, by the provider's manager and the service itself; what people say on it, and what ends access.

The customer's votes are in `votes`, which stands on this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.approval.domain.refusals import Forbidden, Refused
from shared.events.access import AccessRevoked
from shared.events.requests import (
    InformationRequested,
    ProviderApproved,
    ProviderDenied,
    RequestApproved,
    RequestExpired,
    RequestSubmitted,
)
from shared.events.values import Data, Decider, Person, Resource, Settings, Stage
from shared.lifecycle import RequestState

LONGEST_ACCESS: Final = timedelta(hours=4)
MOST_QUESTIONS: Final = 100

Facts = list[Data]


@dataclass(frozen=True, slots=True)
class World:
    """What counts beside the request at the moment of a decision, as the deciding transaction reads it.

    `offered` is the provider's catalogue: each covered service with the parts that it excludes. `deciding` are those of the
    people who have voted who still may.
    """

    settings: Settings
    settings_version: int
    engineer_may: bool
    offered: Mapping[str, frozenset[str]]
    deciding: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the service denies what it would have allowed when the request was submitted."""

    code: str
    comment: str


def provider_approve(
    state: RequestState, *, by: Decider, comment: str | None, world: World, grant_id: str, now: datetime
) -> Facts:
    """The manager agrees: the customer is asked next, or access begins where the customer has the lockbox off.

    Denied by the service where the world has changed. Raises Refused, Forbidden.
    """
    submitted = open_in(state, "provider", now)
    not_his_own(submitted, by)
    enabled = world.settings.enabled
    said = said_of(state, world, submitted.resources, submitted.duration, comment)
    if objection := objection_to(submitted, world, submitted.resources, None if enabled else submitted.duration):
        denied = said_of(state, world, submitted.resources, submitted.duration, objection.comment)
        return [ProviderDenied(**denied, approver=None, code=objection.code)]
    if enabled:
        return [ProviderApproved(**said, approver=by, approvals_required=world.settings.approvals_required)]
    said |= interval(submitted, submitted.duration, now)
    return [
        ProviderApproved(**said, approver=by, approvals_required=0),
        RequestApproved(
            **said,
            approver=by,
            grant_id=grant_id,
            basis="lockbox_disabled",
            engineer=submitted.engineer,
            service=submitted.service,
        ),
    ]


def provider_deny(state: RequestState, *, by: Decider, comment: str, world: World, now: datetime) -> Facts:
    """The manager refuses. Raises Refused, Forbidden."""
    submitted = open_in(state, "provider", now)
    not_his_own(submitted, by)
    said = said_of(state, world, submitted.resources, submitted.duration, comment)
    return [ProviderDenied(**said, approver=by)]


def ask(state: RequestState, *, by: Person, text: str, now: datetime) -> Facts:
    """Somebody who decides asks the engineer something. Raises Refused."""
    submitted = _undecided(state, now)
    if sum(message.kind == "question" for message in state.thread.values()) >= MOST_QUESTIONS:
        raise Refused("too_many_questions", f"A request takes {MOST_QUESTIONS} questions: decide, or let it expire.")
    return [InformationRequested(request_id=submitted.request_id, tenant=submitted.tenant, by=by, text=text)]


def revoke(state: RequestState, *, by: Person, reason: str, now: datetime) -> Facts:
    """Somebody ends a grant before its time. Raises Refused `access_ended`."""
    if state.state(now) not in ("approved", "active"):
        raise Refused("access_ended", "The access has ended already.")
    return [_revoked(state, by=by, reason=reason, code=None)]


def close_window(state: RequestState, now: datetime) -> Facts:
    """The decision window is over: what nobody has decided expires. Nothing where it was decided, or is not over yet."""
    if state.submitted is None or now < state.submitted.decide_by:
        return []
    current = state.state(now)
    if current not in ("awaiting_provider", "awaiting_customer"):
        return []
    return [
        RequestExpired(
            request_id=state.submitted.request_id,
            tenant=state.submitted.tenant,
            decide_by=state.submitted.decide_by,
            stage="provider" if current == "awaiting_provider" else "customer",
        )
    ]


def answer_withdrawal(state: RequestState, now: datetime) -> Facts:
    """The engineer took back what was approved meanwhile: the grant ends before it was ever used."""
    if state.withdrawn_at is None or state.approved is None or state.revoked_at is not None:
        return []
    if state.end(now) is not None:
        return []
    return [_revoked(state, by=None, reason="The engineer withdrew the request.", code="withdrawn")]


def end_for_gone_engineer(state: RequestState, now: datetime) -> Facts:
    """The engineer was removed, or lost the role that he had access by: what he was granted ends."""
    if state.state(now) not in ("approved", "active"):
        return []
    reason = "The engineer no longer has a role that allows access."
    return [_revoked(state, by=None, reason=reason, code="engineer_without_role")]


def _undecided(state: RequestState, now: datetime) -> RequestSubmitted:
    assert state.submitted is not None, "nobody is shown a request whose submission has not been seen"
    current = state.state(now)
    closed = Refused(
        "decision_window_closed", "The time for a decision is over; the engineer can submit a new request."
    )
    if current == "expired":
        raise closed
    if current not in ("awaiting_provider", "awaiting_customer"):
        raise Refused("already_decided", f"The request is {current}: there is nothing left to decide.")
    if now >= state.submitted.decide_by:
        raise closed
    return state.submitted


def open_in(state: RequestState, stage: Stage, now: datetime) -> RequestSubmitted:
    """Return what was submitted, where it can be decided on in this stage. Raises Refused."""
    submitted = _undecided(state, now)
    if stage == "provider" and state.provider_approved_at is not None:
        raise Refused("already_decided", "The provider has approved the request: it is the customer's to decide now.")
    if stage == "customer" and state.provider_approved_at is None:
        raise Refused("not_yet_approved", "The provider has not approved the request yet.")
    return submitted


def not_his_own(submitted: RequestSubmitted, by: Person) -> None:
    """Refuse whoever asks, also where he is somebody in the customer's realm too. Raises Forbidden `own_request`."""
    if submitted.engineer.id == by.id or submitted.engineer.email.casefold() == by.email.casefold():
        raise Forbidden("This is your own request: somebody else has to decide on it.", "own_request")


def objection_to(
    submitted: RequestSubmitted, world: World, resources: Sequence[Resource], duration: timedelta | None
) -> Objection | None:
    """Say what forbids access to `resources` for `duration` (None where nothing is granted yet), as things are now."""
    if not world.engineer_may:
        return Objection("engineer_without_role", "The engineer no longer has a role that allows access.")
    excluded = world.offered.get(submitted.service)
    if excluded is None or submitted.service not in world.settings.services:
        return Objection("service_not_covered", f"The service {submitted.service} is not covered.")
    for resource in resources:
        service, _, rest = resource.id.partition("/")
        part = rest.partition("/")[0]
        if service == submitted.service and part in excluded:
            return Objection("service_not_covered", f"The part {part} of {service} is not covered.")
    if duration is not None and duration > min(world.settings.max_duration, LONGEST_ACCESS):
        return Objection("duration_too_long", "The duration is longer than the tenant's settings allow now.")
    return None


def said_of(
    state: RequestState, world: World, resources: Sequence[Resource], duration: timedelta, comment: str | None
) -> dict[str, Any]:
    """Give what every decision says; `resources` and `duration` are those that it leaves."""
    submitted = state.submitted
    assert submitted is not None
    assert state.digest is not None
    return {
        "request_id": submitted.request_id,
        "tenant": submitted.tenant,
        "comment": comment,
        "resources": list(resources),
        "duration": duration,
        "settings_version": world.settings_version,
        "request_digest": state.digest,
    }


def interval(submitted: RequestSubmitted, duration: timedelta, now: datetime) -> dict[str, datetime]:
    """Say from when until when access lasts: from the start that was asked for, or from now where that is later."""
    begins = now if submitted.starts_at is None else max(now, submitted.starts_at)
    return {"access_from": begins, "access_until": begins + duration}


def _revoked(state: RequestState, *, by: Person | None, reason: str, code: str | None) -> AccessRevoked:
    assert state.submitted is not None
    assert state.approved is not None
    return AccessRevoked(
        request_id=state.submitted.request_id,
        tenant=state.submitted.tenant,
        grant_id=state.approved.grant_id,
        by=by,
        reason=reason,
        code=code,
    )
