"""`lockbox client` and `lockbox issuer`: machine clients, and the OIDC issuers that a tenant trusts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from lockbox.cli.changes import told_or_change
from lockbox.cli.command import Cell, Invocation, LimitOption, TenantOption, YesOption, command, print_facts, subject
from lockbox.cli.inputs import pairs_of
from lockbox.cli.terminal import confirm, secrets
from lockbox.cli.words import a_time
from lockbox.client.things.tenants import Change, Issuer


class Algorithm(StrEnum):
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"
    PS256 = "PS256"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    clients = subject(app, "client", "Programs that read the log of a tenant.")
    command(clients, "create")(create)
    command(clients, "list")(list_clients)
    command(clients, "revoke")(revoke)
    issuers = subject(app, "issuer", "OIDC issuers that a tenant trusts.")
    command(issuers, "add")(add_issuer)
    command(issuers, "list")(list_issuers)
    command(issuers, "remove")(remove_issuer)


def create(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="What it may do; may be repeated.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Make a machine client; its secret is shown this once."""
    made = invocation.client.machine_clients.create(invocation.realm(tenant), name, scope or ["audit:read"])
    facts = (("client", made.id), ("name", made.name), ("scopes", ", ".join(made.scopes)), ("secret", made.secret))
    invocation.tell(made, lambda out: print_facts(out, facts))
    invocation.shown_once("The secret is shown this once: put it where the program reads it.")


def list_clients(invocation: Invocation, tenant: TenantOption = None, limit: LimitOption = 100) -> None:
    """List machine clients."""
    invocation.list(
        invocation.client.machine_clients.list(invocation.realm(tenant), limit=min(limit + 1, 100)),
        limit,
        ("id", "name", "scopes", "made"),
        lambda one: (one.id, one.name, ", ".join(one.scopes), a_time(one.created_at)),
        nothing="No machine clients.",
    )


def revoke(
    invocation: Invocation,
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id, as `client list` shows it.")],
    yes: YesOption = False,
    tenant: TenantOption = None,
) -> None:
    """End a machine client at once."""
    confirm(f"End the machine client {client}?", yes=yes)
    invocation.client.machine_clients.revoke(invocation.realm(tenant), client)
    invocation.done("the machine client has ended")


def add_issuer(
    invocation: Invocation,
    issuer: Annotated[str, typer.Argument(metavar="ISSUER", help="Its https address, exactly as it names itself.")],
    name: Annotated[str, typer.Option(help="What people read when they sign in through it.")],
    client_id: Annotated[str, typer.Option(help="The id that the issuer knows this system by.")],
    group: Annotated[
        list[str], typer.Option(metavar="GROUP=ROLE", help="Which group has which role; may be repeated.")
    ],
    algorithm: Annotated[
        Algorithm, typer.Option(help="How its tokens are signed: no other is taken.")
    ] = Algorithm.RS256,
    group_claim: Annotated[str | None, typer.Option(help="The claim that names the groups.")] = None,
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="Read the client secret from stdin, where there is one.")
    ] = False,
    tenant: TenantOption = None,
) -> None:
    """Trust an OIDC issuer, and give roles to its groups."""
    mapping = pairs_of(group, "--group approvers=lockbox_approver")
    where = invocation.tenant(tenant)
    secret = secrets("Client secret", from_stdin=True)[0] if client_secret_stdin else None
    made = invocation.client.issuers.add(
        where,
        issuer=issuer,
        name=name,
        client_id=client_id,
        algorithm=algorithm.value,
        mapping=mapping,
        client_secret=secret,
        group_claim=group_claim,
    )
    if isinstance(made, Change):
        told_or_change(invocation, made, "")
    else:
        invocation.tell(made, lambda out: _print_issuer(out, made))


def list_issuers(invocation: Invocation, tenant: TenantOption = None, limit: LimitOption = 100) -> None:
    """List the issuers that a tenant trusts."""
    invocation.list(
        invocation.client.issuers.list(invocation.tenant(tenant)),
        limit,
        ("id", "name", "issuer", "groups"),
        _issuer_row,
        nothing="No issuers.",
    )


def remove_issuer(
    invocation: Invocation,
    issuer: Annotated[str, typer.Argument(metavar="ISSUER", help="The issuer's id, as `issuer list` shows it.")],
    yes: YesOption = False,
    tenant: TenantOption = None,
) -> None:
    """Trust an issuer no more."""
    confirm(f"Trust the issuer {issuer} no more?", yes=yes)
    found = invocation.client.issuers.remove(invocation.tenant(tenant), issuer)
    told_or_change(invocation, found, "the issuer was removed")


def _groups(issuer: Issuer) -> str:
    return "\n".join(f"{group} -> {role}" for group, role in issuer.mapping.items())


def _issuer_row(issuer: Issuer) -> tuple[Cell, ...]:
    return issuer.id, issuer.name, issuer.issuer, _groups(issuer).replace("\n", ", ")


def _print_issuer(out: Console, issuer: Issuer) -> None:
    print_facts(
        out,
        (
            ("id", issuer.id),
            ("issuer", issuer.issuer),
            ("name", issuer.name),
            ("client id", issuer.client_id),
            ("algorithm", issuer.algorithm),
            ("group claim", issuer.group_claim),
            ("groups", _groups(issuer)),
            ("redirect to", issuer.redirect_uri),
        ),
    )
