"""Where one can go in the portal: the entries of the navigation, each for those who can do something there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.approval.words import N_
from shared.events.envelope import PROVIDER


@dataclass(frozen=True, slots=True)
class Entry:
    path: str
    label: str
    shown: Callable[[bool, frozenset[str]], bool]


def _tenant(*roles: str) -> Callable[[bool, frozenset[str]], bool]:
    return lambda provider, held: not provider and not held.isdisjoint(roles)


def _provider(*roles: str) -> Callable[[bool, frozenset[str]], bool]:
    return lambda provider, held: provider and not held.isdisjoint(roles)


def _any_role(provider: bool, held: frozenset[str]) -> bool:
    return not held.isdisjoint({"manager", "auditor", "engineer"}) if provider else bool(held)


def _own_requests(provider: bool, held: frozenset[str]) -> bool:
    return provider and "engineer" in held and held.isdisjoint({"manager", "auditor"})


_ENTRIES: Final = (
    Entry("/requests", N_("Waiting requests"), lambda p, held: _any_role(p, held) and not _own_requests(p, held)),
    Entry("/requests", N_("My requests"), _own_requests),
    Entry("/grants", N_("Access in force"), _any_role),
    Entry("/history", N_("History"), _any_role),
    Entry("/tenants", N_("Customers"), _provider("operator", "manager", "auditor")),
    Entry("/members", N_("People"), lambda provider, held: "operator" in held if provider else bool(held)),
    Entry("/settings", N_("Settings"), _tenant("global_admin", "lockbox_approver", "auditor")),
    Entry("/changes", N_("Changes to vote on"), _tenant("global_admin", "lockbox_approver", "user_admin", "auditor")),
    Entry("/issuers", N_("Sign-in services"), _tenant("global_admin", "lockbox_approver", "auditor")),
    Entry("/clients", N_("Programs"), lambda provider, held: not held.isdisjoint(
        {"operator"} if provider else {"global_admin", "lockbox_approver", "auditor"})),
)  # fmt: skip


def entries(me: Mapping[str, Any]) -> list[Entry]:
    """Give the entries for somebody, as the API describes him."""
    provider, held = me["realm"] == PROVIDER, frozenset(me["roles"])
    return [entry for entry in _ENTRIES if entry.shown(provider, held)]


def home(me: Mapping[str, Any]) -> str:
    """Give the page where somebody begins."""
    found = entries(me)
    return found[0].path if found else "/account"
