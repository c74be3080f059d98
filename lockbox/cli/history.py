"""`lockbox history` and `lockbox tail`: what the log tells of requests, and the log as it grows."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from lockbox.cli.command import Cell, Invocation, LimitOption, command, print_table
from lockbox.cli.inputs import SinceOption, UntilOption
from lockbox.cli.request_words import print_request, row_of
from lockbox.cli.requests import State
from lockbox.cli.terminal import console
from lockbox.cli.words import a_time, clean
from lockbox.client.things.history import Event, ListedRequest, RequestHistory

LogOption = Annotated[str | None, typer.Option(help="Only this tenant's log; `provider` is the provider's own.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "history")(history)
    command(app, "tail")(tail)


def history(
    invocation: Invocation,
    request: Annotated[
        str | None, typer.Argument(metavar="REQUEST", help="One request's id, for all of its events.")
    ] = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state now.")] = None,
    engineer: Annotated[str | None, typer.Option(help="Only those of this engineer (address or id).")] = None,
    approver: Annotated[str | None, typer.Option(help="Only those that the person with this address decided.")] = None,
    service: Annotated[str | None, typer.Option(help="Only those about this service.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: LogOption = None,
    limit: LimitOption = 50,
) -> None:
    """Show what the log tells of requests, the newest first; or of one request, all of it. That you read is in the log too."""
    log = invocation.client.log
    if request is None:
        found = log.requests(
            tenant=tenant,
            state=state,
            engineer=engineer,
            approver=approver,
            service=service,
            since=since,
            until=until,
            limit=min(limit + 1, 100),
        )
        heads = ("id", "state", "tenant", "engineer", "ticket", "for", "last event", "at")
        invocation.list(found, limit, heads, _row, nothing="The log tells of no such requests.")
        return
    one = log.request(request)
    events = list(one.events) if one.next_cursor is None else list(log.events_of(request))
    said = {**one.raw, "events": [event.raw for event in events], "next_cursor": None}
    invocation.tell(said, lambda out: _print(out, one, events))


def tail(
    invocation: Invocation,
    after: Annotated[str | None, typer.Option(help="Go on after this cursor; without it, from now on.")] = None,
    tenant: LogOption = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only events of this type, like request.approved; may be repeated."),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Only events about this request, member or tenant.")] = None,
) -> None:
    """Follow the log as it grows, until Ctrl-C; after a break it goes on where it was.

    With `--output json` each event is a line, with `cursor` for `--after`.
    """
    types = [_type(one) for one in kind or ()]
    events = invocation.client.follow(after=after, tenant=tenant, types=types, subject=subject)
    out = console()
    for event in events:
        if invocation.as_json:
            sys.stdout.write(json.dumps({**event.raw, "cursor": event.cursor}) + "\n")
        else:
            out.print(Text("  ").join(_words(event)), soft_wrap=True)
        sys.stdout.flush()


def _type(name: str) -> str:
    return name if name.startswith("lockbox.") else f"lockbox.{name}.v1"


def _short(kind: str) -> str:
    return kind.removeprefix("lockbox.").removesuffix(".v1").replace("_", " ").replace(".", " ")


def _row(request: ListedRequest) -> tuple[Cell, ...]:
    last = request.last_event
    return (*row_of(request)[:-1], _short(last.type), a_time(last.time))


def _print(out: Console, request: RequestHistory, events: list[Event]) -> None:
    print_request(out, request)
    compared = request.comparison
    out.print()
    rows = [("approved", one.id, ", ".join(one.operations), "") for one in compared.approved]
    rows += [("done", one.id, ", ".join(one.operations), str(one.actions)) for one in compared.used]
    rows += [("never used", one.id, ", ".join(one.operations), "") for one in compared.unused]
    if compared.refused:
        rows.append(("refused", "", "", str(compared.refused)))
    print_table(out, ("", "resource", "operations", "actions"), rows)
    out.print()
    print_table(out, ("leaf", "time", "event", "by", ""), [_event_row(event) for event in events])


def _event_row(event: Event) -> tuple[Cell, ...]:
    return str(event.leaf_index), a_time(event.time), _short(event.type), _by(event), _about(event)


def _words(event: Event) -> list[Text]:
    about = _about(event)
    return [
        Text(a_time(event.time)),
        Text(clean(_short(event.type)), "bold"),
        Text(clean(f"{event.tenant} {event.subject}"), "dim"),
        Text(clean(f"by {_by(event)}" + (f": {about}" if about else ""))),
    ]


def _by(event: Event) -> str:
    """Name the human whom an event names, else who published it."""
    for name in ("approver", "by", "engineer"):
        one = event.data.get(name)
        if isinstance(one, dict) and isinstance(one.get("email"), str):
            return str(one["email"])
    return event.actor_id


def _about(event: Event) -> str:
    """Say the most telling of what an event holds."""
    data = event.data
    if "resource" in data and "operation" in data:
        code = f" ({data['code']})" if data.get("code") else ""
        return f"{data['operation']} {data['resource']}{code}"
    for name in ("comment", "reason", "text", "role", "code"):
        if isinstance(data.get(name), str):
            return str(data[name])
    return ""
