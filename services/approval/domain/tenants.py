"""A tenant's registration and settings: what a change of them comes to, and who is refused it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, get_args

from services.approval.domain.refusals import Field, Forbidden, Invalid, Refused
from services.approval.domain.requests import LONGEST_ACCESS
from shared.events.tenants import Change, LockboxDisabled, LockboxEnabled, TenantRegistered, TenantSettingsChanged
from shared.events.values import Data, Decider, SecondFactor, Settings
from shared.web.fields import format_duration

LONGEST_WINDOW: Final = timedelta(days=14)
# Weakest first.
_FACTORS: Final = get_args(SecondFactor)
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
    """What the provider's installation allows, and how many of the tenant's people may decide."""

    shortest_window: timedelta
    services: Collection[str]
    deciders: int


def register(tenant: str, name: str, *, entitled: bool, services: Sequence[str]) -> TenantRegistered:
    """Register a tenant: the lockbox is off, and covers all `services` once its people switch it on."""
    settings = Settings(services=list(services))
    return TenantRegistered(tenant=tenant, name=name, entitled=entitled, settings=settings, settings_version=1)


def change_settings(
    now: Tenant, wanted: Settings, *, version: int, by: Decider, limits: Limits, change_id: str | None = None
) -> list[Data]:
    """Change a tenant's settings; each fact carries the version that it makes. What changes nothing is no fact.

    Raises Refused `settings_changed` when `version` is not the present one, Invalid for settings that nobody may choose,
    Forbidden `not_entitled`.
    """
    changes = changes_of(now, wanted, version=version, limits=limits)
    said: dict[str, Any] = {"tenant": now.tenant, "by": by, "change_id": change_id}
    facts: list[Data] = []
    if switch := changes.pop("enabled", None):
        version += 1
        switched = LockboxEnabled if wanted.enabled else LockboxDisabled
        facts.append(switched(**said, settings_version=version, changes={"enabled": switch}))
    if changes:
        version += 1
        settings = now.settings.model_copy(
            update={name: getattr(wanted, name) for name in changes} | {"enabled": wanted.enabled}
        )
        facts.append(TenantSettingsChanged(**said, settings_version=version, settings=settings, changes=changes))
    return facts


def changes_of(now: Tenant, wanted: Settings, *, version: int, limits: Limits) -> dict[str, Change]:
    """Name what a change of settings comes to, field by field. Raises as `change_settings` does."""
    _check(now.settings, wanted, limits)
    if version != now.version:
        raise Refused("settings_changed", f"The settings are at version {now.version}: read them and change those.")
    if wanted.enabled and not now.settings.enabled and not now.entitled:
        raise Forbidden("The tenant is not entitled to the lockbox: ask the provider.", "not_entitled")
    return _changes(now.settings, wanted)


def weakens(was: Settings, wanted: Settings) -> bool:
    """Say whether a change of settings weakens the tenant's protection, so that one person alone must not make it."""
    return (
        (was.enabled and not wanted.enabled)
        or wanted.approvals_required < was.approvals_required
        or wanted.decision_window > was.decision_window
        or wanted.max_duration > was.max_duration
        or not set(was.services) <= set(wanted.services)
        or _FACTORS.index(wanted.second_factor) < _FACTORS.index(was.second_factor)
    )


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


def _check(was: Settings, wanted: Settings, limits: Limits) -> None:
    errors: list[Field] = []
    if not limits.shortest_window <= wanted.decision_window <= LONGEST_WINDOW:
        between = f"{format_duration(limits.shortest_window)} to {format_duration(LONGEST_WINDOW)}"
        errors.append(("decision_window", f"must be from {between}"))
    if wanted.max_duration > LONGEST_ACCESS:
        errors.append(("max_duration", f"must be from PT1S to {format_duration(LONGEST_ACCESS)}"))
    # Where people are gone, the number that was chosen for more of them keeps nobody from changing anything else.
    if wanted.approvals_required != was.approvals_required and not 1 <= wanted.approvals_required <= limits.deciders:
        people = f"from 1 to {limits.deciders}, the number of people who may decide"
        errors.append(("approvals_required", f"must be {people}: approvers and global admins"))
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
        if not same:
            changes[name] = _change(was, now)
    return changes


def _change(was: Any, now: Any) -> Change:
    if isinstance(was, list):
        added, removed = [one for one in now if one not in was], [one for one in was if one not in now]
        if added or removed:
            return Change(added=added, removed=removed)
    return Change(before=was, after=now)
