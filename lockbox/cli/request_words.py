"""A request as people read it, in a list and whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from lockbox.cli.command import Cell, print_facts
from lockbox.cli.words import a_duration, a_time, clean, from_now, of_resources
from lockbox.client.things.requests import Decision, Request

HEADS: Final = ("id", "state", "tenant", "engineer", "ticket", "for", "decide by")
_COLOURS: Final = {
    "awaiting_provider": "yellow",
    "awaiting_customer": "yellow",
    "approved": "green",
    "active": "bold green",
    "denied": "red",
    "expired": "red",
}
_WAITING: Final = frozenset({"awaiting_provider", "awaiting_customer"})


def state_of(request: Request) -> Text:
    """Write a request's state, coloured where colours are."""
    words = request.state.replace("_", " ") + (f" ({request.ended_by})" if request.ended_by else "")
    return Text(clean(words), _COLOURS.get(request.state, "dim"))


def row_of(request: Request) -> tuple[Cell, ...]:
    """Write a request as a row of a list."""
    decide = from_now(request.decide_by) if request.state in _WAITING else ""
    what = (
        request.id,
        state_of(request),
        request.tenant,
        request.engineer.email,
        request.ticket,
        a_duration(request.duration),
    )
    return (*what, decide)


def print_request(out: Console, request: Request) -> None:
    """Print a request whole."""
    engineer = request.engineer
    who = ", ".join(part for part in (engineer.job_title, engineer.employer, engineer.country) if part)
    facts: list[tuple[str, Cell | None]] = [
        ("request", request.id),
        ("state", state_of(request)),
        ("tenant", request.tenant),
        ("service", request.service),
        ("engineer", f"{engineer.name} <{engineer.email}>" + (f", {who}" if who else "")),
        ("ticket", request.ticket),
        ("reason", request.reason.category.replace("_", " ")),
        ("", request.reason.detail),
        ("resources", Text(of_resources(request.resources))),
        ("duration", a_duration(request.duration)),
        ("starts at", a_time(request.starts_at) if request.starts_at else None),
        ("extends", request.extends),
        ("submitted", a_time(request.submitted_at)),
        ("decide by", f"{a_time(request.decide_by)}, {from_now(request.decide_by)}"),
        ("approvals", f"{request.approvals_required} required" if request.approvals_required else None),
    ]
    facts += [("decision", words) for words in map(_decision, request.decisions)]
    facts += [(one.kind, f"{one.by.name}, {a_time(one.at)}:\n{one.text}") for one in request.thread]
    facts += _grant(request)
    print_facts(out, facts)


def _decision(one: Decision) -> str:
    by = f"{one.by.name} <{one.by.email}>" if one.by else "the service"
    number = len(one.resources)
    granted = (
        f"{a_duration(one.duration)}, {number} resource{'s' * (number != 1)}" if one.decision == "approved" else ""
    )
    said = f"{one.stage}: {one.decision} by {by}, {a_time(one.at)}" + (f" ({granted})" if granted else "")
    return f"{said}\n{one.comment}" if one.comment else said


def _grant(request: Request) -> Iterator[tuple[str, Cell | None]]:
    grant = request.grant
    if grant is None:
        return
    yield "grant", grant.id
    yield "granted", Text(of_resources(grant.resources))
    yield "access from", a_time(grant.access_from)
    yield "access until", f"{a_time(grant.access_until)}, {from_now(grant.access_until)}"
    if grant.ended_at is not None:
        yield "ended", a_time(grant.ended_at)
