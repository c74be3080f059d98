"""`lockbox settings`: what a tenant has set, and changing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from lockbox.cli.changes import as_word, told
from lockbox.cli.command import Invocation, TenantOption, command, print_facts, print_table, subject
from lockbox.cli.inputs import json_of, pairs_of
from lockbox.cli.terminal import USAGE, console, refuse, warn
from lockbox.cli.words import a_duration
from lockbox.client.formats import format_duration, spoken_duration
from lockbox.client.things.tenants import Change, Settings

_SWITCHES: Final = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
_DURATIONS: Final = frozenset({"decision_window", "max_duration"})
_FORM: Final = "decision_window=12h"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = subject(app, "settings", "A tenant's settings.")
    command(group, "show")(show)
    command(group, "set")(set_settings)


def show(invocation: Invocation, tenant: TenantOption = None) -> None:
    """Show a tenant's settings."""
    found = invocation.client.settings.get(invocation.tenant(tenant))
    invocation.tell(found, lambda out: _print(out, found))


def set_settings(
    invocation: Invocation,
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FIELD=VALUE...",
            help="Like enabled=on, decision_window=12h, approvals_required=2, services=exchange-online,sharepoint-online; "
            "reminders and sinks as JSON.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file (or `-`) with the fields to change, such as `settings show --output json` gives."
        ),
    ] = None,
    tenant: TenantOption = None,
) -> None:
    """Change a tenant's settings: the fields named, and no others.

    What weakens the tenant's protection may have to be voted on: then the change that waits is shown.
    """
    if not values and file is None:
        refuse(f"give fields like {_FORM}, or --file", USAGE)
    where = invocation.tenant(tenant)
    before = invocation.client.settings.get(where)
    wanted = {} if file is None else json_of(file)
    for name, text in pairs_of(values or [], _FORM).items():
        wanted[name] = _value(name, text, before.raw)
    unknown = sorted(wanted.keys() - before.raw.keys())
    if unknown:
        refuse(f"{unknown[0]} is no setting: one of {', '.join(sorted(before.raw.keys() - {'version'}))}", USAGE)
    after = invocation.client.settings.put(where, {**before.raw, **wanted})
    if isinstance(after, Change):
        told(invocation, after)
        if not invocation.as_json:
            warn(f"Nothing has changed yet: this waits for votes (lockbox change approve {after.id}).")
        return
    invocation.tell(after, lambda _: _print_difference(before.raw, after.raw))


def _value(name: str, text: str, before: Mapping[str, Any]) -> Any:
    """Read a value as the field's present one is: a switch, a number, a duration, a list, or JSON."""
    now = before.get(name)
    if isinstance(now, bool):
        if text.lower() not in _SWITCHES:
            refuse(f"{name}={text}: give on or off", USAGE)
        return _SWITCHES[text.lower()]
    if isinstance(now, int):
        if not text.isascii() or not text.isdigit():
            refuse(f"{name}={text}: give a whole number", USAGE)
        return int(text[:18])
    if name in _DURATIONS:
        try:
            return format_duration(spoken_duration(text))
        except ValueError as error:
            refuse(f"{name}: {error}", USAGE)
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError as error:
            refuse(f"{name} is not JSON: {error}", USAGE)
    if isinstance(now, list):
        return [one.strip() for one in text.split(",") if one.strip()]
    return text


def _print(out: Console, settings: Settings) -> None:
    print_facts(
        out,
        (
            ("enabled", as_word(settings.enabled)),
            ("decision_window", a_duration(settings.decision_window)),
            ("max_duration", a_duration(settings.max_duration)),
            ("approvals_required", str(settings.approvals_required)),
            ("services", "\n".join(settings.services) or "none"),
            ("notify", "\n".join(settings.notify) or "nobody besides those who decide"),
            ("reminders", "\n".join(f"{_left(one.left)} to {one.to}" for one in settings.reminders) or "none"),
            ("links_in_mail", as_word(settings.links_in_mail)),
            ("second_factor", settings.second_factor),
            ("sinks", "\n".join(as_word(one) for one in settings.sinks) or "none"),
            ("version", str(settings.version)),
        ),
    )


def _left(left: timedelta) -> str:
    return f"{a_duration(left)} before the end"


def _print_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    changed = [name for name in after if name != "version" and after[name] != before.get(name)]
    if not changed:
        warn("Nothing is different.")
        return
    rows = [(name, as_word(before.get(name)), as_word(after[name])) for name in changed]
    print_table(console(), ("field", "before", "now"), rows)
