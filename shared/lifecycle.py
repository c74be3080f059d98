"""A request's life as its events tell it: the one fold that request_api, approval and audit share, and the view that all show.

Each event fills a place of its own, so that the same events give the same state in whatever order they come, and however
often. What is over is judged by the times that the events carry: of several ends the first counts.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from shared.events import access, requests, values
from shared.events.envelope import Event
from shared.events.values import EndedBy, Engineer, Reason, Resource, Stage, Vote

State = Literal[
    "awaiting_provider",
    "awaiting_customer",
    "approved",
    "active",
    "denied",
    "expired",
    "withdrawn",
    "ended",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Who(_Frozen):
    email: str
    name: str


class DecisionView(_Frozen):
    """One human's decision, or (`by` null) the service's. `decision` is `approved` or `denied`."""

    stage: Stage
    decision: Literal["approved", "denied"]
    by: Who | None = None
    at: datetime
    comment: str | None = None
    duration: timedelta
    resources: list[Resource]


class Ballot(_Frozen):
    """A customer's vote, as it counts together with others: who cast it, and what it leaves of what was asked."""

    member_id: str
    vote: Vote
    duration: timedelta
    resources: list[Resource]


class Message(_Frozen):
    kind: Literal["question", "answer"]
    by: Who
    at: datetime
    text: str


class Grant(_Frozen):
    """What was granted. `ended_at` is null while nothing has ended it."""

    id: str
    resources: list[Resource]
    access_from: datetime
    access_until: datetime
    ended_at: datetime | None = None


class RequestView(_Frozen):
    """A request as every service shows it.

    `request_digest` is what decisions on it are bound to; `approvals_required` is how many of the customer's people have to
    agree, fixed when the customer is asked, and null before.
    """

    id: str
    state: State
    ended_by: EndedBy | None
    tenant: str
    service: str
    ticket: str
    reason: Reason
    resources: list[Resource]
    duration: timedelta
    starts_at: datetime | None
    extends: str | None
    engineer: Engineer
    submitted_at: datetime
    decide_by: datetime
    decisions: list[DecisionView]
    thread: list[Message]
    grant: Grant | None
    request_digest: str
    approvals_required: int | None = None


class RequestState(_Frozen):
    """What is known of one request. A null means: no such event has been seen."""

    submitted: requests.RequestSubmitted | None = None
    digest: str | None = None
    submission_id: str | None = None
    provider_approved_at: datetime | None = None
    provider_denied_at: datetime | None = None
    approvals_required: int | None = None
    approved: requests.RequestApproved | None = None
    approved_at: datetime | None = None
    approval_id: str | None = None
    denied_at: datetime | None = None
    expired_at: datetime | None = None
    withdrawn_at: datetime | None = None
    token_issued_at: datetime | None = None
    released_at: datetime | None = None
    revoked_at: datetime | None = None
    clock_passed: bool = False
    decisions: dict[str, DecisionView] = {}
    thread: dict[str, Message] = {}
    # The VoteCast events, by their ids.
    ballots: dict[str, Ballot] = {}

    def end(self, now: datetime) -> tuple[datetime, EndedBy] | None:
        """Return when the grant ended and by what, or None while it has not (or there is none)."""
        if self.approved is None:
            return None
        ends: list[tuple[datetime, EndedBy]] = []
        if self.released_at is not None:
            ends.append((self.released_at, "released"))
        if self.revoked_at is not None:
            ends.append((self.revoked_at, "revoked"))
        if self.clock_passed or now >= self.approved.access_until:
            ends.append((self.approved.access_until, "expired"))
        return min(ends, default=None)

    def state(self, now: datetime) -> State:
        """Return the state at `now`, as the contract names it."""
        undecided: list[tuple[datetime, State]] = []
        if self.withdrawn_at is not None:
            undecided.append((self.withdrawn_at, "withdrawn"))
        if self.provider_denied_at is not None:
            undecided.append((self.provider_denied_at, "denied"))
        if self.denied_at is not None:
            undecided.append((self.denied_at, "denied"))
        if self.expired_at is not None:
            undecided.append((self.expired_at, "expired"))
        if undecided:
            return min(undecided)[1]
        if self.approved is None:
            return "awaiting_provider" if self.provider_approved_at is None else "awaiting_customer"
        if self.end(now) is not None:
            return "ended"
        return "approved" if self.token_issued_at is None else "active"

    def view(self, now: datetime) -> RequestView:
        """Show the request as it is at `now`. Raises ValueError while its submission has not been seen."""
        if self.submitted is None:
            raise ValueError("the request's submission has not been seen")
        submitted = self.submitted
        assert self.digest is not None, "it comes with the submission"
        state = self.state(now)
        end = self.end(now)
        return RequestView(
            id=submitted.request_id,
            state=state,
            ended_by=end[1] if end is not None and state == "ended" else None,
            tenant=submitted.tenant,
            service=submitted.service,
            ticket=submitted.ticket,
            reason=submitted.reason,
            resources=submitted.resources,
            duration=submitted.duration,
            starts_at=submitted.starts_at,
            extends=submitted.extends,
            engineer=submitted.engineer,
            submitted_at=submitted.submitted_at,
            decide_by=submitted.decide_by,
            decisions=[one for _, one in sorted(self.decisions.items(), key=lambda item: (item[1].at, item[0]))],
            thread=[one for _, one in sorted(self.thread.items(), key=lambda item: (item[1].at, item[0]))],
            grant=self._grant(state, end),
            request_digest=self.digest,
            approvals_required=self.approvals_required,
        )

    def _grant(self, state: State, end: tuple[datetime, EndedBy] | None) -> Grant | None:
        if self.approved is None:
            return None
        ended_at = end[0] if end is not None else None
        if state == "withdrawn" and self.withdrawn_at is not None:
            ended_at = min(self.withdrawn_at, ended_at or self.withdrawn_at)
        return Grant(
            id=self.approved.grant_id,
            resources=self.approved.resources,
            access_from=self.approved.access_from,
            access_until=self.approved.access_until,
            ended_at=ended_at,
        )


def evolve(state: RequestState, event: Event) -> RequestState:
    """Fold one event into the state. An event that says nothing of a request's life changes nothing."""
    change = _CHANGES.get(event.type)
    return state if change is None else state.model_copy(update=change(state, event))


def _submitted(_: RequestState, event: Event) -> dict[str, Any]:
    return {"submitted": event.data, "digest": hashlib.sha256(event.raw).hexdigest(), "submission_id": event.id}


def _decided(
    stage: Stage, decision: Literal["approved", "denied"], at: str | None
) -> Callable[[RequestState, Event], dict[str, Any]]:
    def change(state: RequestState, event: Event) -> dict[str, Any]:
        said: values.Decision = event.data
        by = None if said.approver is None else Who(email=said.approver.email, name=said.approver.name)
        seen = DecisionView(
            stage=stage,
            decision=decision,
            by=by,
            at=event.time,
            comment=said.comment,
            duration=said.duration,
            resources=said.resources,
        )
        update: dict[str, Any] = {"decisions": {**state.decisions, event.id: seen}}
        if at is not None:
            update[at] = event.time
        if isinstance(said, requests.ProviderApproved):
            update["approvals_required"] = said.approvals_required
        return update

    return change


def _voted(state: RequestState, event: Event) -> dict[str, Any]:
    vote: requests.VoteCast = event.data
    update = _decided("customer", "approved" if vote.vote == "approve" else "denied", None)(state, event)
    if vote.approver is not None:
        ballot = Ballot(member_id=vote.approver.id, vote=vote.vote, duration=vote.duration, resources=vote.resources)
        update["ballots"] = {**state.ballots, event.id: ballot}
    return update


def _approved(_: RequestState, event: Event) -> dict[str, Any]:
    return {"approved": event.data, "approved_at": event.time, "approval_id": event.id}


def _denied(state: RequestState, event: Event) -> dict[str, Any]:
    denial: requests.RequestDenied = event.data
    if denial.approver is None:
        return _decided("customer", "denied", "denied_at")(state, event)
    return {"denied_at": event.time}  # The vote itself stands in VoteCast.


def _said(kind: Literal["question", "answer"]) -> Callable[[RequestState, Event], dict[str, Any]]:
    def change(state: RequestState, event: Event) -> dict[str, Any]:
        said: requests.InformationRequested = event.data
        message = Message(kind=kind, by=Who(email=said.by.email, name=said.by.name), at=event.time, text=said.text)
        return {"thread": {**state.thread, event.id: message}}

    return change


def _first(place: str) -> Callable[[RequestState, Event], dict[str, Any]]:
    """Keep the earliest time of what can happen more than once (several tokens of one grant)."""

    def change(state: RequestState, event: Event) -> dict[str, Any]:
        known: datetime | None = getattr(state, place)
        return {place: event.time if known is None else min(known, event.time)}

    return change


def _clock_passed(_: RequestState, event: Event) -> dict[str, Any]:
    assert isinstance(event.data, access.AccessExpired)
    return {"clock_passed": True}


_CHANGES: dict[str, Callable[[RequestState, Event], dict[str, Any]]] = {
    "lockbox.request.submitted.v1": _submitted,
    "lockbox.request.withdrawn.v1": _first("withdrawn_at"),
    "lockbox.request.information_requested.v1": _said("question"),
    "lockbox.request.information_provided.v1": _said("answer"),
    "lockbox.request.provider_approved.v1": _decided("provider", "approved", "provider_approved_at"),
    "lockbox.request.provider_denied.v1": _decided("provider", "denied", "provider_denied_at"),
    "lockbox.request.vote_cast.v1": _voted,
    "lockbox.request.approved.v1": _approved,
    "lockbox.request.denied.v1": _denied,
    "lockbox.request.expired.v1": _first("expired_at"),
    "lockbox.access.token_issued.v1": _first("token_issued_at"),
    "lockbox.access.released.v1": _first("released_at"),
    "lockbox.access.revoked.v1": _first("revoked_at"),
    "lockbox.access.expired.v1": _clock_passed,
}
