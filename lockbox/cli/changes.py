"""`lockbox change`: changes that weaken a tenant's protection, and the votes on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from lockbox.cli.command import Cell, Invocation, LimitOption, TenantOption, command, print_facts, subject
from lockbox.cli.words import a_time, from_now
from lockbox.client.reading import Thing
from lockbox.client.things.tenants import Change

ChangeArgument = Annotated[str, typer.Argument(metavar="CHANGE", help="The change's id, as `change list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = subject(app, "change", "Changes that wait for votes.")
    command(group, "list")(list_changes)
    command(group, "show")(show)
    command(group, "approve")(approve)
    command(group, "deny")(deny)


def list_changes(invocation: Invocation, tenant: TenantOption = None, limit: LimitOption = 50) -> None:
    """List a tenant's changes, the newest first."""
    invocation.list(
        invocation.client.changes.list(invocation.tenant(tenant), limit=min(limit + 1, 100)),
        limit,
        ("id", "what", "state", "votes", "proposed by", "expires"),
        _row,
        nothing="No changes wait for votes, or ever did.",
    )


def show(invocation: Invocation, change: ChangeArgument, tenant: TenantOption = None) -> None:
    """Show a change with its votes."""
    told(invocation, invocation.client.changes.get(invocation.tenant(tenant), change))


def approve(invocation: Invocation, change: ChangeArgument, tenant: TenantOption = None) -> None:
    """Vote for a change; the last vote that it takes carries it out."""
    told(invocation, invocation.client.changes.approve(invocation.tenant(tenant), change))


def deny(invocation: Invocation, change: ChangeArgument, tenant: TenantOption = None) -> None:
    """Vote against a change: it is rejected."""
    told(invocation, invocation.client.changes.deny(invocation.tenant(tenant), change))


def told(invocation: Invocation, change: Change) -> None:
    """Tell a change."""
    invocation.tell(change, lambda out: print_change(out, change))


def told_or_change(invocation: Invocation, found: Thing | None, said: str) -> None:
    """Tell that something was done, or the change that has to be voted on first."""
    if isinstance(found, Change):
        told(invocation, found)
        if not invocation.as_json and found.state == "open":
            invocation.shown_once(f"Nothing has changed yet: this waits for votes (lockbox change approve {found.id}).")
    else:
        invocation.done(said, found)


def print_change(out: Console, change: Change) -> None:
    """Print a change whole."""
    facts: list[tuple[str, Cell | None]] = [
        ("change", change.id),
        ("what", _what(change)),
        ("state", change.state),
        ("approvals", f"{_approvals(change)} of {change.approvals_required}"),
        ("proposed", f"{change.proposed_by.name} <{change.proposed_by.email}>, {a_time(change.proposed_at)}"),
        ("expires", f"{a_time(change.expires_at)}, {from_now(change.expires_at)}" if change.state == "open" else None),
        ("settled", a_time(change.settled_at) if change.settled_at else None),
    ]
    facts += [(name, difference_of(one.raw)) for name, one in change.changes.items()]
    facts += [("vote", f"{one.vote}, {one.by.name} <{one.by.email}>, {a_time(one.at)}") for one in change.votes]
    print_facts(out, facts)


def difference_of(changed: Mapping[str, Any]) -> str:
    """Write what changes of one field: before and after, or of a list what comes and goes."""
    added, removed = changed.get("added") or [], changed.get("removed") or []
    if added or removed:
        return "\n".join([*(f"+ {as_word(one)}" for one in added), *(f"- {as_word(one)}" for one in removed)])
    return f"{as_word(changed.get('before'))} -> {as_word(changed.get('after'))}"


def as_word(value: Any) -> str:
    """Write a value of a setting."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _what(change: Change) -> str:
    parts = [
        change.kind.replace("_", " "),
        change.member.email if change.member else None,
        ", ".join(change.roles),
        change.issuer,
    ]
    return ": ".join(part for part in parts if part)


def _approvals(change: Change) -> int:
    return sum(one.vote == "approve" for one in change.votes)


def _row(change: Change) -> tuple[Cell, ...]:
    votes = f"{_approvals(change)} of {change.approvals_required}"
    expires = from_now(change.expires_at) if change.state == "open" else ""
    return change.id, _what(change), change.state, votes, change.proposed_by.email, expires
