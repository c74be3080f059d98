"""Which timers follow from what is known of a request. Pure; the same events give the same timers in whatever order they come."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.events.access import AccessExpired
from shared.events.envelope import Event
from shared.events.requests import DecisionWindowClosed, RequestApproved, RequestSubmitted
from shared.events.values import Data


class Kind(StrEnum):
    """What a timer says when it fires."""

    DECISION_WINDOW = "decision_window"
    ACCESS = "access"


@dataclass(frozen=True, slots=True)
class Timer:
    """`caused_by` is the id of the event that set `due_at`."""

    kind: Kind
    due_at: datetime
    caused_by: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one request. A None means: the event that tells it has not been seen."""

    request_id: str
    tenant: str
    decide_by: datetime | None = None
    submission_id: str | None = None
    decided: bool = False
    grant_id: str | None = None
    access_until: datetime | None = None
    approval_id: str | None = None
    ended: bool = False

    def timers(self) -> list[Timer]:
        """Return what there is to wait for. There is an access only after a decision, so an end says that one was made."""
        wanted = []
        if self.decide_by is not None and self.submission_id is not None and not (self.decided or self.ended):
            wanted.append(Timer(Kind.DECISION_WINDOW, self.decide_by, self.submission_id))
        if self.access_until is not None and self.approval_id is not None and not self.ended:
            wanted.append(Timer(Kind.ACCESS, self.access_until, self.approval_id))
        return wanted

    def due(self, kind: Kind) -> Data:
        """Return what a timer of this kind says once its time has come."""
        if kind is Kind.DECISION_WINDOW:
            assert self.decide_by is not None
            return DecisionWindowClosed(request_id=self.request_id, tenant=self.tenant, decide_by=self.decide_by)
        assert self.grant_id is not None
        assert self.access_until is not None
        return AccessExpired(
            request_id=self.request_id, tenant=self.tenant, grant_id=self.grant_id, access_until=self.access_until
        )


def evolve(known: Known, event: Event) -> Known:
    """Fold one event into what is known of its request. Raises KeyError for a type that says nothing of a timer."""
    return replace(known, **CHANGES[event.type](event))


def _submitted(event: Event) -> dict[str, Any]:
    submitted: RequestSubmitted = event.data
    return {"decide_by": submitted.decide_by, "submission_id": event.id}


def _approved(event: Event) -> dict[str, Any]:
    approved: RequestApproved = event.data
    return {
        "decided": True,
        "grant_id": approved.grant_id,
        "access_until": approved.access_until,
        "approval_id": event.id,
    }


def _decided(_: Event) -> dict[str, Any]:
    return {"decided": True}


def _ended(_: Event) -> dict[str, Any]:
    return {"ended": True}


CHANGES: dict[str, Callable[[Event], dict[str, Any]]] = {
    "lockbox.request.submitted.v1": _submitted,
    "lockbox.request.provider_denied.v1": _decided,
    "lockbox.request.approved.v1": _approved,
    "lockbox.request.denied.v1": _decided,
    "lockbox.request.expired.v1": _decided,
    # Also after an approval: no token is issued any more, so there is no access to end.
    "lockbox.request.withdrawn.v1": _ended,
    "lockbox.access.released.v1": _ended,
    "lockbox.access.revoked.v1": _ended,
}
