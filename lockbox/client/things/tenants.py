"""Tenants, their settings, changes that wait for votes, and their issuers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lockbox.client.reading import Thing
from lockbox.client.things.requests import Who


@dataclass(frozen=True, kw_only=True)
class Tenant(Thing):
    id: str
    name: str
    entitled: bool
    enabled: bool
    settings_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reminder(Thing):
    left: timedelta
    to: str


@dataclass(frozen=True, kw_only=True)
class Settings(Thing):
    """A tenant's settings; `version` says which these are, and goes back with a change of them."""

    enabled: bool
    decision_window: timedelta
    max_duration: timedelta
    approvals_required: int
    services: tuple[str, ...]
    notify: tuple[str, ...]
    reminders: tuple[Reminder, ...]
    links_in_mail: bool
    second_factor: str | None = None
    sinks: tuple[Mapping[str, Any], ...] = ()
    version: int


@dataclass(frozen=True, kw_only=True)
class ChangedField(Thing):
    before: Any = None
    after: Any = None
    added: Any = None
    removed: Any = None


@dataclass(frozen=True, kw_only=True)
class ChangeVote(Thing):
    by: Who
    vote: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Change(Thing):
    """A change that weakens protection; `state` is one of open, carried, rejected, void, expired."""

    id: str
    tenant: str
    kind: str
    state: str
    changes: Mapping[str, ChangedField]
    member: Who | None = None
    roles: tuple[str, ...] = ()
    issuer: str | None = None
    proposed_by: Who
    proposed_at: datetime
    expires_at: datetime
    approvals_required: int
    votes: tuple[ChangeVote, ...] = ()
    settled_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Issuer(Thing):
    """An OIDC issuer that a tenant trusts; `mapping` gives roles to groups."""

    id: str
    issuer: str
    name: str
    client_id: str
    algorithm: str
    group_claim: str | None = None
    mapping: Mapping[str, str]
    redirect_uri: str | None = None
