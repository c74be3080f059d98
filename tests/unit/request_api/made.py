"""Sound examples that the tests of the decisions start from."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from services.request_api.domain.people import Member
from shared.events import access, requests
from shared.events.catalogue import KIND_OF
from shared.events.envelope import Draft, Event, new_id, service_actor, write
from shared.events.values import Data, Decider, Engineer, Person, Reason, Resource
from shared.lifecycle import RequestState, evolve

NOW = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVE = Member(id=new_id(), email="eve@provider.example", name="Eve", roles=frozenset({"engineer"}))
DANA = Decider(id=new_id(), email="dana@contoso.example", name="Dana", roles=["lockbox_approver"], method="password")
MAILBOX = Resource(id="exchange-online/mailboxes/alice", operations=["read", "write"])
_numbers = itertools.count(1)


def event(data: Data, *, at: datetime = NOW, subject: str = "") -> Event:
    """Write an event as its owner does."""
    facts: Any = data
    service = KIND_OF[type(data)].owner
    draft = Draft(data, facts.tenant, subject or facts.request_id, service_actor(service))
    return write(draft, service=service, sequence=next(_numbers), time=at)


def submission(**changes: Any) -> requests.RequestSubmitted:
    return requests.RequestSubmitted(
        **{
            "request_id": new_id(),
            "tenant": "contoso",
            "service": "exchange-online",
            "ticket": "T-1",
            "reason": Reason(category="customer_support", detail="It does not open."),
            "resources": [MAILBOX],
            "duration": 2 * HOUR,
            "engineer": EVE.engineer,
            "submitted_at": NOW - HOUR,
            "decide_by": NOW + 11 * HOUR,
            **changes,
        }
    )


class Story:
    """The events of one request, written as its owners do."""

    def __init__(self, **changes: Any) -> None:
        self.data = submission(**changes)
        self.submitted = event(self.data, at=self.data.submitted_at)
        self.grant_id = new_id()

    def decision(self) -> dict[str, Any]:
        return {
            "request_id": self.data.request_id,
            "tenant": self.data.tenant,
            "approver": DANA,
            "comment": None,
            "resources": self.data.resources,
            "duration": self.data.duration,
            "settings_version": 1,
            "request_digest": hashlib.sha256(self.submitted.raw).hexdigest(),
        }

    def facts(self) -> dict[str, Any]:
        return {"request_id": self.data.request_id, "tenant": self.data.tenant}

    def provider_approved(self, at: datetime = NOW) -> Event:
        return event(requests.ProviderApproved(**self.decision(), approvals_required=1), at=at)

    def approval(self, **changes: Any) -> requests.RequestApproved:
        begin = changes.pop("access_from", NOW)
        facts = {
            **self.decision(),
            "grant_id": self.grant_id,
            "basis": "customer_decision",
            "engineer": self.data.engineer,
            "service": self.data.service,
            "access_from": begin,
            "access_until": begin + self.data.duration,
            **changes,
        }
        return requests.RequestApproved(**facts)

    def approved(self, at: datetime = NOW, **changes: Any) -> Event:
        return event(self.approval(**changes), at=at)

    def denied(self, at: datetime = NOW) -> Event:
        return event(requests.RequestDenied(**self.decision()), at=at)

    def expired(self, at: datetime = NOW) -> Event:
        return event(requests.RequestExpired(**self.facts(), decide_by=self.data.decide_by, stage="customer"), at=at)

    def withdrawn(self, at: datetime = NOW) -> Event:
        return event(requests.RequestWithdrawn(**self.facts(), by=EVE.person), at=at)

    def token_issued(self, at: datetime = NOW) -> Event:
        data = access.AccessTokenIssued(
            **self.facts(), grant_id=self.grant_id, token_id="t", engineer=EVE.person, access_until=NOW + HOUR
        )
        return event(data, at=at)

    def released(self, at: datetime = NOW) -> Event:
        return event(access.AccessReleased(**self.facts(), grant_id=self.grant_id, by=EVE.person), at=at)

    def revoked(self, at: datetime = NOW) -> Event:
        data = access.AccessRevoked(**self.facts(), grant_id=self.grant_id, by=_person(DANA), reason="Enough.")
        return event(data, at=at)

    def clock_passed(self, at: datetime = NOW) -> Event:
        return event(access.AccessExpired(**self.facts(), grant_id=self.grant_id, access_until=at), at=at)

    def fold(self, *events: Event) -> RequestState:
        """Fold these events after the submission."""
        state = RequestState()
        for one in (self.submitted, *events):
            state = evolve(state, one)
        return state


def _person(of: Person) -> Person:
    return Person(id=of.id, email=of.email, name=of.name)


def another_engineer() -> Engineer:
    return Engineer(id=new_id(), email="erin@provider.example", name="Erin")
