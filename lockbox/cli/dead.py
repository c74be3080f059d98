"""`lockbox dead`: what a service could not apply, and bringing it in after the fix. For the one who operates the servers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from lockbox.cli.terminal import refuse

SERVICES = ("request_api", "approval", "audit", "notifier", "expiry")

Data = Annotated[Path, typer.Option(help="Folder of the system that `lockbox up` keeps.")]
Url = Annotated[
    str | None,
    typer.Option(
        help="The service's address, where it is not one of `lockbox up`; LOCKBOX_INTERNAL_SECRET goes with it."
    ),
]
Output = Annotated[str, typer.Option(help="`text` for people, `json` for programs.")]
Service = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]
Number = Annotated[int, typer.Argument(min=1, help="The dead letter's number, as `list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    dead = typer.Typer(help="Events that a service could not apply, and the quarantine.", no_args_is_help=True)
    dead.command("list")(list_dead)
    dead.command("show")(show)
    dead.command("replay")(replay)
    app.add_typer(dead, name="dead")


def list_dead(data: Data = Path(".lockbox"), output: Output = "text") -> None:
    """List dead letters and quarantined messages of every service."""
    found = {service: _call("GET", service, "", data=data, url=None) for service in SERVICES}
    if output == "json":
        print(json.dumps(found))
        return
    dead = Table("service", "number", "type", "subject", "behind it", "died", "error", box=None, header_style="bold")
    quarantine = Table("service", "number", "routing key", "user", "received", "reason", box=None, header_style="bold")
    for service, listing in found.items():
        for one in listing["dead_letters"]:
            dead.add_row(service, *(str(one[name]) for name in ("id", "type", "subject", "parked", "died_at", "error")))
        for one in listing["quarantine"]:
            names = ("id", "routing_key", "user_id", "received_at", "reason")
            quarantine.add_row(service, *(str(one[name]) for name in names))
    console = Console()
    console.print(
        dead if dead.row_count else "No dead letters: every event that arrived was applied, or waits for its turn."
    )
    if quarantine.row_count:
        console.print("\nQuarantined: messages that could not be attributed to the owner of their type.")
        console.print(quarantine)


def show(
    service: Service, number: Number, data: Data = Path(".lockbox"), url: Url = None, output: Output = "text"
) -> None:
    """Show one dead letter: the error, and the event as it was received."""
    one = _call("GET", service, f"/{number}", data=data, url=url)
    if output == "json":
        print(json.dumps(one))
        return
    console = Console(highlight=False)
    body = one.pop("body")
    for name, value in one.items():
        if value is not None:
            console.print(f"{name:12} {value}", markup=False)
    try:
        console.print_json(body)
    except json.JSONDecodeError:
        console.print(body, markup=False)


def replay(
    service: Service,
    number: Number,
    by: Annotated[str, typer.Option(help="Your address: who replays is kept with the letter.")],
    data: Data = Path(".lockbox"),
    url: Url = None,
    output: Output = "text",
) -> None:
    """Apply a dead letter again inside its service, and then, in order, what waited behind it."""
    result = _call("POST", service, f"/{number}/replay", data=data, url=url, body={"by": by})
    if output == "json":
        print(json.dumps(result))
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
