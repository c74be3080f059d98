"""Requests, the decisions on them, and the grants and actions that come of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lockbox.client.reading import Thing, hidden


@dataclass(frozen=True, kw_only=True)
class Who(Thing):
    email: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Engineer(Who):
    id: str
    employer: str | None = None
    job_title: str | None = None
    country: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resource(Thing):
    id: str
    operations: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reason(Thing):
    category: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Decision(Thing):
    """Somebody's decision in a stage (`provider` or `customer`); `by` is None where a service decided."""

    stage: str
    decision: str
    by: Who | None
    at: datetime
    comment: str | None
    duration: timedelta
    resources: tuple[Resource, ...]


@dataclass(frozen=True, kw_only=True)
class Message(Thing):
    """A `question` or an `answer`."""

    kind: str
    by: Who
    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Grant(Thing):
    id: str
    resources: tuple[Resource, ...]
    access_from: datetime
    access_until: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Request(Thing):
    """A request as it is now.

    `state` is one of awaiting_provider, awaiting_customer, approved, active, denied, expired, withdrawn,
    ended; `ended_by` one of expired, revoked, released.
    """

    id: str
    state: str
    ended_by: str | None = None
    tenant: str
    service: str
    ticket: str
    reason: Reason
    resources: tuple[Resource, ...]
    duration: timedelta
    starts_at: datetime | None = None
    extends: str | None = None
    engineer: Engineer
    submitted_at: datetime
    decide_by: datetime
    decisions: tuple[Decision, ...] = ()
    thread: tuple[Message, ...] = ()
    grant: Grant | None = None
    request_digest: str | None = None
    approvals_required: int | None = None


@dataclass(frozen=True, kw_only=True)
class LogPlace(Thing):
    """Where the approval stands: the log's name, the index there, and how many leaves the log had."""

    origin: str
    index: int
    size: int


@dataclass(frozen=True, kw_only=True)
class GrantToken(Thing):
    """The token under which actions are asked for; it is in no repr."""

    token: str = hidden()
    grant_id: str
    access_until: datetime
    log: LogPlace


@dataclass(frozen=True, kw_only=True)
class Action(Thing):
    """An action that may be done now; `complete` reports how it ended."""

    action_id: str
    allowed: bool


@dataclass(frozen=True, kw_only=True)
class Completion(Thing):
    action_id: str
    outcome: str
    completed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Challenge(Thing):
    """What a passkey signs for a decision: `challenge` is base64url, `statement` the text that it is the SHA-256 of."""

    challenge: str
    rp_id: str
    credentials: tuple[str, ...]
    statement: str
    request_digest: str
    settings_version: int
    duration: timedelta
    resources: tuple[Resource, ...]


@dataclass(frozen=True, kw_only=True)
class CoveredService(Thing):
    """A service of the catalogue. `covered`: whether the caller's tenant has it; None for the provider's people."""

    id: str
    name: str
    excludes: tuple[str, ...] = ()
    covered: bool | None = None
