"""`lockbox dead`: what a service could not apply, and bringing it in after the fix. For the one who operates the servers."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from lockbox.cli.command import Output, OutputOption, print_facts, print_table
from lockbox.cli.terminal import console, print_json, refuse

SERVICES = ("request_api", "approval", "audit", "notifier", "expiry")
_DEAD = ("id", "type", "subject", "parked", "died_at", "error")
_QUARANTINED = ("id", "routing_key", "user_id", "received_at", "reason")

Data = Annotated[Path, typer.Option(help="Folder of the system that `lockbox up` keeps.")]
Url = Annotated[
    str | None,
    typer.Option(
        help="The service's address, where it is not one of `lockbox up`; LOCKBOX_INTERNAL_SECRET goes with it."
    ),
]
Service = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]
Number = Annotated[int, typer.Argument(min=1, help="The dead letter's number, as `list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    dead = typer.Typer(help="Events that a service could not apply, and the quarantine.", no_args_is_help=True)
    dead.command("list")(list_dead)
    dead.command("show")(show)
    dead.command("replay")(replay)
    app.add_typer(dead, name="dead")


def list_dead(data: Data = Path(".lockbox"), output: OutputOption = Output.TEXT) -> None:
    """List dead letters and quarantined messages of every service."""
    found = {service: _call("GET", service, "", data=data, url=None) for service in SERVICES}
    if output is Output.JSON:
        print_json(found)
        return
    dead = [
        [service, *(str(one[name]) for name in _DEAD)]
        for service, listing in found.items()
        for one in listing["dead_letters"]
    ]
    quarantine = [
        [service, *(str(one[name]) for name in _QUARANTINED)]
        for service, listing in found.items()
        for one in listing["quarantine"]
    ]
    out = console()
    if dead:
        print_table(out, ("service", "number", "type", "subject", "behind it", "died", "error"), dead)
    else:
        out.print("No dead letters: every event that arrived was applied, or waits for its turn.")
    if quarantine:
        out.print("\nQuarantined: messages that could not be attributed to the owner of their type.")
        print_table(out, ("service", "number", "routing key", "user", "received", "reason"), quarantine)


def show(
    service: Service, number: Number, data: Data = Path(".lockbox"), url: Url = None, output: OutputOption = Output.TEXT
) -> None:
    """Show one dead letter: the error, and the event as it was received."""
    one = _call("GET", service, f"/{number}", data=data, url=url)
    if output is Output.JSON:
        print_json(one)
        return
    body = str(one.pop("body"))
    with suppress(ValueError):
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    print_facts(console(), [*((name, str(value)) for name, value in one.items() if value is not None), ("body", body)])


def replay(
    service: Service,
    number: Number,
    by: Annotated[str, typer.Option(help="Your address: who replays is kept with the letter.")],
    data: Data = Path(".lockbox"),
    url: Url = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Apply a dead letter again inside its service, and then, in order, what waited behind it."""
    result = _call("POST", service, f"/{number}/replay", data=data, url=url, body={"by": by})
    if output is Output.JSON:
        print_json(result)
    elif result["failed"] is None:
        print(f"applied: {result['applied']}, still waiting behind another dead letter: {result['waiting']}")
    if result["failed"] is not None:
        refuse(f"it failed again, and nothing else changed: {result['failed']}")


def _call(
    method: str, service: str, path: str, *, data: Path, url: str | None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Ask the service itself, under the service credential."""
    if service not in SERVICES:
        refuse(f"{service} is not a service: one of {', '.join(SERVICES)}", code=2)
    address, secret = _given(url) if url else _local(service, data)
    try:
        response = httpx.request(
            method,
            f"{address}/internal/dead-letters{path}",
            json=body,
            headers={"Authorization": f"Bearer {secret}"},
            timeout=60,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        refuse(f"{service} does not answer at {address} ({error}): is the system running?")
    if response.is_error:
        said = response.json() if "json" in response.headers.get("content-type", "") else {}
        refuse(
            f"{service} answered {response.status_code}: {said.get('detail') or said.get('code') or response.text[:200]}"
        )
    found: dict[str, Any] = response.json()
    return found


def _given(url: str) -> tuple[str, str]:
    secret = os.environ.get("LOCKBOX_INTERNAL_SECRET")
    if file := os.environ.get("LOCKBOX_INTERNAL_SECRET_FILE"):
        secret = Path(file).read_text(encoding="utf-8").strip()
    if not secret:
        refuse("--url needs LOCKBOX_INTERNAL_SECRET (or LOCKBOX_INTERNAL_SECRET_FILE), the credential of the services")
    return url.rstrip("/"), secret


def _local(service: str, data: Path) -> tuple[str, str]:
    try:
        state = json.loads((data / "state.json").read_text(encoding="utf-8"))
        kept = json.loads((data / "kept.json").read_text(encoding="utf-8"))
        return state[service], kept["internal_secret"]
    except (OSError, KeyError, json.JSONDecodeError):
        refuse(f"{data} holds no running system: name its folder with --data, or the service's address with --url")
