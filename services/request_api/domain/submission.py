"""May this request be made? What is checked of a submission, and the RequestSubmitted that it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.request_api.domain.people import Member
from services.request_api.domain.resources import excluded_part, lies_under
from shared.events.requests import RequestSubmitted
from shared.events.values import Reason, Resource
from shared.settings import CoveredService
from shared.web.fields import format_duration
from shared.web.problems import FieldError, Problem, invalid

LONGEST_ACCESS = timedelta(hours=4)
FARTHEST_START = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Submission:
    """What an engineer asks for, in sound form."""

    tenant: str
    service: str
    ticket: str
    reason: Reason
    resources: Sequence[Resource]
    duration: timedelta
    starts_at: datetime | None = None
    extends: str | None = None


@dataclass(frozen=True, slots=True)
class TenantRules:
    """What a tenant's settings say about requests."""

    decision_window: timedelta
    max_duration: timedelta
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Extended:
    """Whose the request is that another one extends."""

    tenant: str
    engineer_id: str


def submit(
    asked: Submission,
    *,
    request_id: str,
    engineer: Member,
    tenant: TenantRules | None,
    extended: Extended | None,
    catalogue: Mapping[str, CoveredService],
    now: datetime,
) -> RequestSubmitted | Problem:
    """Decide on a submission by somebody who may ask; `extended` is what `asked.extends` names, None where there is none."""
    if tenant is None:
        return invalid(("tenant", f"must be a registered tenant: {asked.tenant} is none"), code="unknown_tenant")
    service = catalogue.get(asked.service)
    if service is None:
        known = ", ".join(catalogue)
        return invalid(("service", f"must be one of those covered: {known}"), code="service_not_covered")
    if service.id not in tenant.services:
        covered = ", ".join(sorted(tenant.services)) or "none"
        detail = f"must be one that {asked.tenant} has in its settings: {covered}"
        return invalid(("service", detail), code="service_not_covered")
    for refusal in (
        _resources(asked, service),
        _duration(asked.duration, tenant),
        _start(asked.starts_at, now),
        _extension(asked, engineer, extended),
    ):
        if refusal is not None:
            return refusal
    return RequestSubmitted(
        request_id=request_id,
        tenant=asked.tenant,
        service=asked.service,
        ticket=asked.ticket,
        reason=asked.reason,
        resources=list(asked.resources),
        duration=asked.duration,
        starts_at=asked.starts_at,
        extends=asked.extends,
        engineer=engineer.engineer,
        submitted_at=now,
        decide_by=now + tenant.decision_window,
    )


def _resources(asked: Submission, service: CoveredService) -> Problem | None:
    outside: list[FieldError] = []
    excluded: list[FieldError] = []
    for position, resource in enumerate(asked.resources):
        field = f"resources.{position}.id"
        if not lies_under(resource.id, service.id):
            outside.append((field, f"must lie under the service: {service.id}/..."))
        elif (part := excluded_part(service, resource.id)) is not None:
            excluded.append((field, f"touches {part}, which is not covered"))
    if outside:
        return invalid(*outside)
    return invalid(*excluded, code="service_not_covered") if excluded else None


def _duration(duration: timedelta, tenant: TenantRules) -> Problem | None:
    longest = min(LONGEST_ACCESS, tenant.max_duration)
    if duration <= longest:
        return None
    return invalid(("duration", f"must be at most {format_duration(longest)}"), code="duration_too_long")


def _start(starts_at: datetime | None, now: datetime) -> Problem | None:
    if starts_at is None:
        return None
    if starts_at < now:
        return invalid(("starts_at", "must not be in the past: leave it out to begin with the approval"))
    if starts_at > now + FARTHEST_START:
        return invalid(("starts_at", f"must be at most {FARTHEST_START.days} days ahead"))
    return None


def _extension(asked: Submission, engineer: Member, extended: Extended | None) -> Problem | None:
    if asked.extends is None:
        return None
    if extended is None or extended.engineer_id != engineer.id or extended.tenant != asked.tenant:
        return invalid(("extends", "must be the id of a request of your own for the same tenant"))
    return None
