"""`lockbox member` and `lockbox role`: people of a realm, and what they may do."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from lockbox.cli.changes import told_or_change
from lockbox.cli.command import Cell, Invocation, LimitOption, TenantOption, YesOption, command, print_facts, subject
from lockbox.cli.terminal import confirm, warn
from lockbox.cli.words import a_time
from lockbox.client.things.people import Member
from lockbox.client.things.tenants import Change

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="Whom it is about.")]
RoleArgument = Annotated[
    str,
    typer.Argument(
        metavar="ROLE",
        help="Of a tenant: global_admin, lockbox_approver, user_admin, auditor. Of the provider: engineer, manager, auditor, "
        "operator.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = subject(app, "member", "People of a tenant, or of the provider.")
    command(group, "add")(add)
    command(group, "list")(list_members)
    command(group, "show")(show)
    command(group, "remove")(remove)
    command(group, "reset-password")(reset_password)
    command(group, "remove-factors")(remove_factors)
    roles = subject(app, "role", "Roles of people.")
    command(roles, "give")(give)
    command(roles, "remove")(take)


def add(
    invocation: Invocation,
    email: EmailArgument,
    name: Annotated[str, typer.Option(help="The name that others read.")],
    role: Annotated[list[str] | None, typer.Option(help="A role; may be repeated.")] = None,
    employer: Annotated[str | None, typer.Option(help="Who employs the person.")] = None,
    job_title: Annotated[str | None, typer.Option(help="What the person does there.")] = None,
    country: Annotated[str | None, typer.Option(help="Where the person works, as two letters.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Add somebody, who gets a one-time link."""
    made = invocation.client.members.add(
        invocation.realm(tenant),
        email=email,
        name=name,
        roles=role or (),
        employer=employer,
        job_title=job_title,
        country=country,
    )
    _told(invocation, made)


def list_members(
    invocation: Invocation,
    text: Annotated[str | None, typer.Option(help="Only those with this in name or address.")] = None,
    role: Annotated[str | None, typer.Option(help="Only those with this role.")] = None,
    tenant: TenantOption = None,
    limit: LimitOption = 100,
) -> None:
    """List the people of a realm."""
    members, realm = invocation.client.members, invocation.realm(tenant)
    size = min(limit + 1, 100)
    # What stands beside the items is on every page: the first one tells it.
    warnings = members.page(realm, text=text, role=role, limit=1).warnings
    invocation.list(
        members.list(realm, text=text, role=role, limit=size),
        limit,
        ("email", "name", "roles", "second factors"),
        _row,
        nothing="Nobody.",
        warnings=warnings,
    )


def show(invocation: Invocation, email: EmailArgument, tenant: TenantOption = None) -> None:
    """Show somebody."""
    _told(invocation, invocation.client.members.get(invocation.realm(tenant), email))


def remove(invocation: Invocation, email: EmailArgument, yes: YesOption = False, tenant: TenantOption = None) -> None:
    """Remove somebody; all sessions of the person end at once."""
    confirm(f"Remove {email}?", yes=yes)
    found = invocation.client.members.remove(invocation.realm(tenant), email)
    told_or_change(invocation, found, f"{email} was removed")


def reset_password(
    invocation: Invocation, email: EmailArgument, yes: YesOption = False, tenant: TenantOption = None
) -> None:
    """End somebody's password and sessions, and send a one-time link."""
    confirm(f"End the password and all sessions of {email}?", yes=yes)
    found = invocation.client.members.reset_password(invocation.realm(tenant), email)
    told_or_change(invocation, found, f"a one-time link is on its way to {email}")


def remove_factors(
    invocation: Invocation, email: EmailArgument, yes: YesOption = False, tenant: TenantOption = None
) -> None:
    """Remove all second factors of somebody who lost them."""
    confirm(f"Remove all second factors of {email}?", yes=yes)
    found = invocation.client.members.remove_factors(invocation.realm(tenant), email)
    told_or_change(invocation, found, f"{email} has no second factor any more")


def give(invocation: Invocation, email: EmailArgument, role: RoleArgument, tenant: TenantOption = None) -> None:
    """Give somebody a role. A privileged one begins with a new one-time link, and may have to be voted on."""
    _told(invocation, invocation.client.members.give_role(invocation.realm(tenant), email, role))


def take(
    invocation: Invocation,
    email: EmailArgument,
    role: RoleArgument,
    yes: YesOption = False,
    tenant: TenantOption = None,
) -> None:
    """Take a role from somebody."""
    confirm(f"Take the role {role} from {email}?", yes=yes)
    found = invocation.client.members.take_role(invocation.realm(tenant), email, role)
    told_or_change(invocation, found, f"{email} is no {role} any more")


def _told(invocation: Invocation, found: Member | Change) -> None:
    if isinstance(found, Change):
        told_or_change(invocation, found, "")
        return
    invocation.tell(found, lambda out: _print(out, found))
    if not invocation.as_json:
        for warning in found.warnings:
            warn(warning)


def _print(out: Console, member: Member) -> None:
    password = None if member.has_password is None else "set" if member.has_password else "not set yet"
    print_facts(
        out,
        (
            ("email", member.email),
            ("name", member.name),
            ("roles", _roles(member) or "none"),
            ("employer", member.employer),
            ("job title", member.job_title),
            ("country", member.country),
            ("password", password),
            ("second factors", ", ".join(member.factors) or None),
            ("since", a_time(member.added_at) if member.added_at else None),
        ),
    )


def _roles(member: Member) -> str:
    return ", ".join(f"{role} (by group)" if role in member.group_roles else role for role in member.roles)


def _row(member: Member) -> tuple[Cell, ...]:
    return member.email, member.name, _roles(member), ", ".join(member.factors)
