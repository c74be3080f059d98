"""What may be asked for: the tenant's bounds, the services covered, and the paths that lie under them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.request_api.domain.resources import excluded_part
from services.request_api.domain.submission import Extended, Submission, TenantRules, submit
from shared.events.requests import RequestSubmitted
from shared.events.values import Reason, Resource
from shared.settings import CATALOGUE
from shared.web.problems import Problem
from tests.unit.request_api.made import EVE, HOUR, MAILBOX, NOW

SERVICES = {service.id: service for service in CATALOGUE}
COVERED = frozenset(service.id for service in CATALOGUE)
RULES = TenantRules(decision_window=12 * HOUR, max_duration=3 * HOUR, services=COVERED)
SKYPE = SERVICES["skype-for-business"]


def submitted(
    tenant: TenantRules | None = RULES, extended: Extended | None = None, **changes: Any
) -> RequestSubmitted | Problem:
    asked = Submission(
        **{
            "tenant": "contoso",
            "service": "exchange-online",
            "ticket": "T-1",
            "reason": Reason(category="customer_support", detail="It does not open."),
            "resources": [MAILBOX],
            "duration": HOUR,
            **changes,
        }
    )
    return submit(
        asked, request_id="request", engineer=EVE, tenant=tenant, extended=extended, catalogue=SERVICES, now=NOW
    )


def refused(**changes: Any) -> tuple[int, str, str]:
    problem = submitted(**changes)
    assert isinstance(problem, Problem)
    return problem.status, problem.code, problem.errors[0][0]


def path(resource: str) -> list[Resource]:
    return [MAILBOX, Resource(id=resource, operations=["read"])]


def test_a_sound_submission_names_its_engineer_and_the_end_of_the_tenants_window() -> None:
    made = submitted()
    assert isinstance(made, RequestSubmitted)
    assert made.engineer == EVE.engineer
    assert (made.submitted_at, made.decide_by) == (NOW, NOW + 12 * HOUR)


def test_an_unknown_tenant_is_named() -> None:
    assert refused(tenant=None) == (422, "unknown_tenant", "tenant")


def test_a_service_that_is_not_covered_is_named() -> None:
    assert refused(service="teams") == (422, "service_not_covered", "service")


def test_a_service_that_the_tenants_settings_leave_out_is_refused() -> None:
    rules = TenantRules(12 * HOUR, 3 * HOUR, frozenset({"sharepoint-online"}))
    made = submitted(tenant=rules)
    assert isinstance(made, Problem)
    assert (made.status, made.code) == (422, "service_not_covered")
    assert "sharepoint-online" in made.errors[0][1]


durations = st.integers(min_value=1, max_value=9 * 3600).map(lambda seconds: timedelta(seconds=seconds))


@given(durations, durations)
def test_nothing_longer_than_four_hours_or_the_tenants_own_bound_is_made(asked: timedelta, bound: timedelta) -> None:
    made = submitted(tenant=TenantRules(12 * HOUR, bound, COVERED), duration=asked)
    if isinstance(made, Problem):
        assert (made.status, made.code) == (422, "duration_too_long")
        assert asked > min(bound, 4 * HOUR)
    else:
        assert asked <= min(bound, 4 * HOUR)


@pytest.mark.parametrize(
    "resource",
    ["sharepoint-online/sites/hr", "exchange-online2/mailboxes/alice", "exchange", "Exchange-Online/mailboxes/alice"],
)
def test_a_resource_outside_of_its_service_is_named(resource: str) -> None:
    assert refused(resources=path(resource)) == (422, "invalid_request", "resources.1.id")


@pytest.mark.parametrize(
    "resource",
    [
        "skype-for-business/meeting-recordings",
        "skype-for-business/meeting-recordings/2026/1",
        "skype-for-business/meeting-uploads/slides",
        "skype-for-business/Meeting-Recordings/1",
        "skype-for-business/meeting%2Drecordings/1",
        "skype-for-business",
    ],
)
def test_an_excluded_part_is_named_however_it_is_written(resource: str) -> None:
    problem = submitted(service="skype-for-business", resources=[Resource(id=resource, operations=["read"])])
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (422, "service_not_covered")
    assert "skype-for-business/meeting-" in problem.detail


def test_what_lies_beside_an_excluded_part_is_covered() -> None:
    for resource in ("skype-for-business/chats", "skype-for-business/chats/meeting-recordings"):
        assert excluded_part(SKYPE, resource) is None


def test_a_start_lies_between_now_and_thirty_days_ahead() -> None:
    for distance in (timedelta(), timedelta(days=30)):
        assert isinstance(submitted(starts_at=NOW + distance), RequestSubmitted)
    for distance in (-timedelta(microseconds=1), timedelta(days=30, microseconds=1)):
        assert refused(starts_at=NOW + distance) == (422, "invalid_request", "starts_at")


def test_only_an_own_request_of_the_same_tenant_can_be_extended() -> None:
    assert isinstance(submitted(extends="r", extended=Extended("contoso", EVE.id)), RequestSubmitted)
    for extended in (None, Extended("fabrikam", EVE.id), Extended("contoso", "erin")):
        assert refused(extends="r", extended=extended) == (422, "invalid_request", "extends")
