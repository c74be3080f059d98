"""`lockbox tenant` and `lockbox service`: the provider's customers, and what requests can be about."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from lockbox.cli.command import Invocation, LimitOption, command, print_facts, subject
from lockbox.cli.terminal import USAGE, refuse
from lockbox.client.things.requests import CoveredService
from lockbox.client.things.tenants import Tenant

TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = subject(app, "tenant", "The provider's customers.")
    command(group, "register")(register_tenant)
    command(group, "list")(list_tenants)
    command(group, "show")(show)
    command(group, "entitlement")(entitlement)
    command(subject(app, "service", "The services that requests can be about."), "list")(list_services)


def register_tenant(
    invocation: Invocation,
    tenant: TenantArgument,
    name: Annotated[str, typer.Option(help="The customer's name.")],
    admin_email: Annotated[str, typer.Option(help="The first global admin, who gets a one-time link.")],
    admin_name: Annotated[str, typer.Option(help="The first global admin's name.")],
    entitled: Annotated[
        bool, typer.Option("--entitled/--not-entitled", help="Whether the customer may switch the lockbox on.")
    ] = True,
) -> None:
    """Register a customer, as an operator."""
    made = invocation.client.tenants.register(
        tenant, name, entitled=entitled, admin_email=admin_email, admin_name=admin_name
    )
    invocation.tell(made, lambda out: _print(out, made))


def list_tenants(invocation: Invocation, limit: LimitOption = 50) -> None:
    """List the tenants that you see."""
    invocation.list(
        invocation.client.tenants.list(limit=min(limit + 1, 100)),
        limit,
        ("id", "name", "entitled", "lockbox"),
        lambda one: (one.id, one.name, _yes(one.entitled), "on" if one.enabled else "off"),
        nothing="No tenants.",
    )


def show(invocation: Invocation, tenant: Annotated[str | None, typer.Argument(metavar="TENANT")] = None) -> None:
    """Show a tenant, or your own."""
    found = invocation.client.tenants.get(invocation.tenant(tenant))
    invocation.tell(found, lambda out: _print(out, found))


def entitlement(
    invocation: Invocation,
    tenant: TenantArgument,
    entitled: Annotated[
        bool | None, typer.Option("--on/--off", help="Whether the customer may switch the lockbox on.")
    ] = None,
) -> None:
    """Give or take a customer's entitlement, as an operator. Taking it switches nothing off."""
    if entitled is None:
        refuse("give --on or --off", USAGE)
    found = invocation.client.tenants.entitle(tenant, entitled=entitled)
    invocation.tell(found, lambda out: _print(out, found))


def list_services(invocation: Invocation) -> None:
    """List the services covered, and the parts of them that are not."""
    invocation.list(
        invocation.client.requests.services().items,
        1000,
        ("id", "name", "without", "covered"),
        _service,
        nothing="No services.",
    )


def _service(one: CoveredService) -> tuple[str, ...]:
    return one.id, one.name, ", ".join(one.excludes), "" if one.covered is None else _yes(one.covered)


def _print(out: Console, tenant: Tenant) -> None:
    version = None if tenant.settings_version is None else str(tenant.settings_version)
    print_facts(
        out,
        (
            ("tenant", tenant.id),
            ("name", tenant.name),
            ("entitled", _yes(tenant.entitled)),
            ("lockbox", "on" if tenant.enabled else "off"),
            ("settings", version and f"version {version}"),
        ),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
