"""`lockbox grant`: access that is in force, and its end."""

from __future__ import annotations

from typing import Annotated

import typer

from lockbox.cli.command import Cell, Invocation, LimitOption, YesOption, command, subject
from lockbox.cli.request_words import print_request, state_of
from lockbox.cli.terminal import confirm
from lockbox.cli.words import a_time, from_now
from lockbox.client.things.requests import Request

GrantArgument = Annotated[str, typer.Argument(metavar="GRANT", help="The grant's id, as `grant list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = subject(app, "grant", "Access that was granted.")
    command(group, "list")(list_grants)
    command(group, "revoke")(revoke)
    command(group, "release")(release)


def list_grants(
    invocation: Invocation,
    tenant: Annotated[str | None, typer.Option(help="Only those of this tenant (for the provider's people).")] = None,
    limit: LimitOption = 50,
) -> None:
    """List the requests whose access is in force, or approved and not begun."""
    found = invocation.client.grants.in_force(tenant=tenant, most=limit + 1)
    invocation.list(
        (one for one in found if one.grant is not None),
        limit,
        ("grant", "request", "state", "tenant", "engineer", "from", "until"),
        _row,
        nothing="No access is in force.",
    )


def _row(request: Request) -> tuple[Cell, ...]:
    assert request.grant is not None, "the others were left out"
    grant = request.grant
    until = f"{a_time(grant.access_until)}, {from_now(grant.access_until)}"
    who = (request.id, state_of(request), request.tenant, request.engineer.email)
    return (grant.id, *who, a_time(grant.access_from), until)


def revoke(
    invocation: Invocation,
    grant: GrantArgument,
    reason: Annotated[str, typer.Option(help="Why, for the record: the engineer reads it.")],
    yes: YesOption = False,
) -> None:
    """End an access at once, as the customer or as the provider's manager."""
    confirm(f"End the access of grant {grant} now?", yes=yes)
    request = invocation.client.grants.revoke(grant, reason)
    invocation.tell(request, lambda out: print_request(out, request))


def release(invocation: Invocation, grant: GrantArgument) -> None:
    """Give your access back before its time is over."""
    request = invocation.client.grants.release(grant)
    invocation.tell(request, lambda out: print_request(out, request))
