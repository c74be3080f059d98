"""A tenant's registration and settings: what a change of them comes to, and who is refused it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from services.approval.domain.refusals import Field, Forbidden, Invalid, Refused
from services.approval.domain.requests import LONGEST_ACCESS
from shared.events.tenants import Change, LockboxDisabled, LockboxEnabled, TenantRegistered, TenantSettingsChanged
from shared.events.values import Data, Decider, Settings
from shared.web.fields import format_duration

LONGEST_WINDOW: Final = timedelta(days=14)
# Of these the order means nothing.
_SETS: Final = frozenset({"services", "notify"})


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as it is now. `version` counts the changes of its settings, from 1."""

    tenant: str
    name: str
    entitled: bool
    settings: Settings
    version: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the provider's installation allows."""

    shortest_window: timedelta
    services: Collection[str]


def register(tenant: str, name: str, *, entitled: bool, services: Sequence[str]) -> TenantRegistered:
    """Register a tenant: the lockbox is off, and covers all `services` once its people switch it on."""
    settings = Settings(services=list(services))
    return TenantRegistered(tenant=tenant, name=name, entitled=entitled, settings=settings, settings_version=1)


def change_settings(now: Tenant, wanted: Settings, *, version: int, by: Decider, limits: Limits) -> list[Data]:
    """Change a tenant's settings; each fact carries the version that it makes. What changes nothing is no fact.

    Raises Refused `settings_changed` when `version` is not the present one, Invalid for settings that nobody may choose,
    Forbidden `not_entitled`.
    """
    _check(wanted, limits)
    if version != now.version:
        raise Refused("settings_changed", f"The settings are at version {now.version}: read them and change those.")
    facts: list[Data] = []
    if wanted.enabled != now.settings.enabled:
        if wanted.enabled and not now.entitled:
            raise Forbidden("The tenant is not entitled to the lockbox: ask the provider.", "not_entitled")
        version += 1
        switched = LockboxEnabled if wanted.enabled else LockboxDisabled
        facts.append(switched(tenant=now.tenant, by=by, settings_version=version))
    if changes := _changes(now.settings, wanted):
        version += 1
        settings = now.settings.model_copy(
            update={name: getattr(wanted, name) for name in changes} | {"enabled": wanted.enabled}
        )
        facts.append(
            TenantSettingsChanged(
                tenant=now.tenant, by=by, settings_version=version, settings=settings, changes=changes
            )
        )
    return facts


def evolve(tenant: Tenant, fact: Data) -> Tenant:
    """Fold a fact about a tenant into what it is."""
    match fact:
        case LockboxEnabled() | LockboxDisabled():
            enabled = isinstance(fact, LockboxEnabled)
            settings = tenant.settings.model_copy(update={"enabled": enabled})
            version = fact.settings_version
        case TenantSettingsChanged():
            settings, version = fact.settings, fact.settings_version
        case _:
            raise TypeError(f"{type(fact).__name__} says nothing of a tenant's settings")
    return Tenant(tenant.tenant, tenant.name, tenant.entitled, settings, version)


def _check(wanted: Settings, limits: Limits) -> None:
    errors: list[Field] = []
    if not limits.shortest_window <= wanted.decision_window <= LONGEST_WINDOW:
        between = f"{format_duration(limits.shortest_window)} to {format_duration(LONGEST_WINDOW)}"
        errors.append(("decision_window", f"must be from {between}"))
    if wanted.max_duration > LONGEST_ACCESS:
        errors.append(("max_duration", f"must be from PT1S to {format_duration(LONGEST_ACCESS)}"))
    if wanted.approvals_required != 1:
        errors.append(("approvals_required", "must be 1: one approval decides"))
    for position, service in enumerate(wanted.services):
        if service not in limits.services:
            known = ", ".join(sorted(limits.services))
            errors.append((f"services.{position}", f"must be a service that the provider covers: {known}"))
    for name in ("services", "notify", "reminders"):
        entries = getattr(wanted, name)
        if any(entry in entries[:position] for position, entry in enumerate(entries)):
            errors.append((name, "must not name the same twice"))
    if wanted.sinks:
        errors.append(("sinks", "must be empty: this version sends to none"))
    if errors:
        raise Invalid(*errors)


def _changes(before: Settings, after: Settings) -> dict[str, Change]:
    changes = {}
    # As JSON: that is what the record holds.
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for name in Settings.model_fields:
        was, now = old[name], new[name]
        same = sorted(was) == sorted(now) if name in _SETS else was == now
        if name != "enabled" and not same:
            changes[name] = _change(was, now)
    return changes


def _change(was: Any, now: Any) -> Change:
    if isinstance(was, list):
        added, removed = [one for one in now if one not in was], [one for one in was if one not in now]
        if added or removed:
            return Change(added=added, removed=removed)
    return Change(before=was, after=now)
