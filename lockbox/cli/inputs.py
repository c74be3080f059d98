"""What people type as arguments, into what the client takes; wrong usage (exit code 2) names the argument and the form."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from lockbox.cli.terminal import USAGE, refuse
from lockbox.client.formats import parse_instant, spoken_duration


def _duration(text: str | timedelta) -> timedelta:
    try:
        return text if isinstance(text, timedelta) else spoken_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _instant(text: str | datetime) -> datetime:
    try:
        return text if isinstance(text, datetime) else parse_instant(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def duration_option(words: str, *names: str) -> Any:
    """Make an option that takes a duration."""
    return typer.Option(*names, parser=_duration, metavar="DURATION", help=f"{words}, like 90m, 1h30m or PT1H30M.")


def instant_option(words: str, *names: str) -> Any:
    """Make an option that takes a time."""
    return typer.Option(*names, parser=_instant, metavar="TIME", help=f"{words}, like 2026-11-25T10:00:00+01:00.")


SinceOption = Annotated[datetime | None, instant_option("Only those submitted at or after this time")]
UntilOption = Annotated[datetime | None, instant_option("Only those submitted before this time")]
ResourcesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--resource",
        metavar="ID=OPERATION[,...]",
        help="Like exchange-online/mailboxes/alice=read,write; may be repeated.",
    ),
]


def resources_of(given: Sequence[str] | None) -> list[dict[str, Any]]:
    """Read resources with their operations."""
    found = []
    for one in given or ():
        name, _, operations = one.rpartition("=")
        named = [word.strip() for word in operations.split(",")]
        if not name or not all(named):
            refuse(f"--resource {one}: write it like exchange-online/mailboxes/alice=read,write", USAGE)
        found.append({"id": name, "operations": named})
    return found


def pairs_of(given: Sequence[str], form: str) -> dict[str, str]:
    """Read NAME=VALUE arguments, each name once."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not name or not equals:
            refuse(f"{one}: write it like {form}", USAGE)
        if name in found:
            refuse(f"{name} is there twice", USAGE)
        found[name] = value
    return found


def json_of(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file, or from stdin where it is `-`."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{path} cannot be read ({error})", USAGE)
    try:
        found = json.loads(text)
    except ValueError as error:
        refuse(f"{path} is not JSON: {error}", USAGE)
    if not isinstance(found, dict):
        refuse(f"{path} must hold a JSON object", USAGE)
    return found
