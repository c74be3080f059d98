"""`lockbox request`: ask for access, look, decide, talk, and fetch the token."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from lockbox.cli.command import Invocation, LimitOption, command, subject
from lockbox.cli.inputs import (
    ResourcesOption,
    SinceOption,
    UntilOption,
    duration_option,
    instant_option,
    resources_of,
)
from lockbox.cli.request_words import HEADS, print_request, row_of
from lockbox.cli.terminal import USAGE, Stop, ask, refuse, somebody_is_there, warn
from lockbox.cli.words import a_time
from lockbox.client.errors import Forbidden
from lockbox.client.sending import PROVIDER
from lockbox.client.things.requests import Request


class State(StrEnum):
    AWAITING_PROVIDER = "awaiting_provider"
    AWAITING_CUSTOMER = "awaiting_customer"
    APPROVED = "approved"
    ACTIVE = "active"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


class Order(StrEnum):
    NEWEST = "newest"
    DEADLINE = "deadline"


class Category(StrEnum):
    CUSTOMER_SUPPORT = "customer_support"
    PROVIDER_MAINTENANCE = "provider_maintenance"
    SECURITY_INCIDENT = "security_incident"
    LEGAL_DEMAND = "legal_demand"
    PRODUCTION_ALERT = "production_alert"


RequestArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="The request's id.")]
TextArgument = Annotated[str, typer.Argument(metavar="TEXT", help="What you say, in one argument.")]
CommentOption = Annotated[str | None, typer.Option(help="Why, for the record.")]
CodeOption = Annotated[
    str | None,
    typer.Option(help="The six digits of your authenticator app, where your tenant demands a second factor."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = subject(app, "request", "Requests for access to a customer's data.")
    command(group, "submit")(submit)
    command(group, "list")(list_requests)
    command(group, "show")(show)
    command(group, "withdraw")(withdraw)
    command(group, "answer")(answer)
    command(group, "approve")(approve)
    command(group, "deny")(deny)
    command(group, "ask")(ask_question)
    command(group, "token")(token)


def submit(
    invocation: Invocation,
    tenant: Annotated[str, typer.Option(help="Whose data.")],
    service: Annotated[str, typer.Option(help="Which service, as `lockbox service list` names it.")],
    ticket: Annotated[str, typer.Option(help="The ticket that this is about.")],
    category: Annotated[Category, typer.Option(help="Why, in one word.")],
    detail: Annotated[str, typer.Option(help="Why, in your words: the customer reads them.")],
    duration: Annotated[timedelta, duration_option("How long")],
    resource: ResourcesOption = None,
    starts_at: Annotated[datetime | None, instant_option("Not before this time")] = None,
    extends: Annotated[str | None, typer.Option(help="An own request that this one goes on from.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key makes the request once, also after a crash.")
    ] = None,
) -> None:
    """Ask for access."""
    if not resource:
        refuse("--resource is missing: write it like exchange-online/mailboxes/alice=read", USAGE)
    request = invocation.client.requests.submit(
        tenant=tenant,
        service=service,
        ticket=ticket,
        category=category.value,
        detail=detail,
        resources=resources_of(resource),
        duration=duration,
        starts_at=starts_at,
        extends=extends,
        key=idempotency_key,
    )
    _told(invocation, request)


def list_requests(
    invocation: Invocation,
    state: Annotated[State | None, typer.Option(help="Only those in this state now.")] = None,
    order: Annotated[Order | None, typer.Option(help="`deadline`: those to be decided soonest come first.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only those for this tenant (for the provider's people).")] = None,
    service: Annotated[str | None, typer.Option(help="Only those about this service.")] = None,
    engineer: Annotated[str | None, typer.Option(help="Only those of the engineer with this address.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Only those with this in ticket, engineer, resource or reason.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
) -> None:
    """List the requests that you see, the newest first."""
    found = invocation.client.requests.list(
        state=state,
        order=None if order is None else order.value,
        tenant=tenant,
        service=service,
        engineer=engineer,
        text=text,
        since=since,
        until=until,
        limit=min(limit + 1, 100),
    )
    invocation.list(found, limit, HEADS, row_of, nothing="No requests.")


def show(
    invocation: Invocation,
    request: RequestArgument,
    until: Annotated[list[State] | None, typer.Option(help="Wait until it is in this state; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="How long to wait at most.")] = 300.0,
) -> None:
    """Show a request with its decisions and its thread."""
    requests = invocation.client.requests
    if until:
        _told(invocation, requests.wait(request, {str(one.value) for one in until}, seconds=seconds))
    else:
        _told(invocation, requests.get(request))


def withdraw(invocation: Invocation, request: RequestArgument) -> None:
    """Take your request back, until a token was fetched."""
    _told(invocation, invocation.client.requests.withdraw(request))


def answer(invocation: Invocation, request: RequestArgument, text: TextArgument) -> None:
    """Answer an approver's question."""
    _told(invocation, invocation.client.requests.answer(request, text))


def ask_question(invocation: Invocation, request: RequestArgument, text: TextArgument) -> None:
    """Ask the engineer something before you decide."""
    _told(invocation, invocation.client.requests.ask(request, text))


def approve(
    invocation: Invocation,
    request: RequestArgument,
    comment: CommentOption = None,
    duration: Annotated[timedelta | None, duration_option("Grant no longer than this")] = None,
    resource: ResourcesOption = None,
    code: CodeOption = None,
    settings_version: Annotated[
        int | None, typer.Option(help="Refuse where the tenant's settings are no longer of this version.")
    ] = None,
) -> None:
    """Agree to a request: for the provider as its manager, for your tenant as its approver.

    The tenant's approver may grant less, with --duration and --resource.
    """
    client = invocation.client
    if invocation.realm() == PROVIDER:
        if duration is not None or resource or code is not None or settings_version is not None:
            refuse("the provider agrees to all of it: --duration, --resource, --code are the customer's", USAGE)
        _agreed(invocation, client.requests.provider_approve(request, comment))
        return

    def approved(given: str | None) -> Request:
        return client.requests.approve(
            request,
            comment,
            duration=duration,
            resources=resources_of(resource) or None,
            code=given,
            settings_version=settings_version,
        )

    try:
        _agreed(invocation, approved(code))
    except Forbidden as error:
        _agreed(invocation, approved(_second_factor(error, code)))


def deny(
    invocation: Invocation,
    request: RequestArgument,
    comment: Annotated[str, typer.Option(help="Why: the engineer reads it.")],
    code: CodeOption = None,
) -> None:
    """Refuse a request: for the provider as its manager, for your tenant as its approver."""
    client = invocation.client
    if invocation.realm() == PROVIDER:
        if code is not None:
            refuse("--code is for the customer's decision", USAGE)
        _told(invocation, client.requests.provider_deny(request, comment))
        return
    try:
        _told(invocation, client.requests.deny(request, comment, code=code))
    except Forbidden as error:
        _told(invocation, client.requests.deny(request, comment, code=_second_factor(error, code)))


def _second_factor(error: Forbidden, code: str | None) -> str:
    """Ask for a code where one was demanded and can be asked for; else raise the error."""
    if error.code != "second_factor_required" or code is not None or not somebody_is_there():
        raise error
    return ask("Code of your authenticator app", "--code")


def token(invocation: Invocation, request: RequestArgument) -> None:
    """Fetch the token under which your access is used: it alone goes to the output."""
    granted = invocation.client.requests.token(request)
    invocation.tell(granted, lambda out: out.print(granted.token, soft_wrap=True))
    if not invocation.as_json:
        warn(
            f"Who has this token has the access, until {a_time(granted.access_until)} at most. Grant {granted.grant_id}."
        )


def _told(invocation: Invocation, request: Request) -> None:
    invocation.tell(request, lambda out: print_request(out, request))


def _agreed(invocation: Invocation, request: Request) -> None:
    """Tell of a request that somebody agreed to. Where the service denied it all the same, the command has failed."""
    _told(invocation, request)
    if request.state == "denied":
        why = request.decisions[-1].comment if request.decisions else None
        raise Stop(
            f"the request was denied by the service: {why or 'things have changed since it was made'}", code="denied"
        )
