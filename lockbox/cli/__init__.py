"""The command line. Each subject is a module with `register(app)`; a new one is one more name in MODULES."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from typing import Any, Final, NoReturn

import typer

from lockbox.cli.command import profile_of
from lockbox.cli.terminal import FAILED, USAGE, Stop, complain
from lockbox.client.errors import LockboxError

MODULES = (
    "account",
    "factors",
    "requests",
    "grants",
    "tenants",
    "settings",
    "changes",
    "members",
    "clients",
    "history",
    "admin",
    "dead",
    "up",
)  # fmt: skip

# Typer has its own copy of these in newer versions, so they are found through what it exports.
_UsageError: Final[type[Any]] = typer.BadParameter.__bases__[0]
_ClickException: Final[type[Any]] = _UsageError.__bases__[0]


def make_app() -> typer.Typer:
    app = typer.Typer(
        name="lockbox",
        help="An open customer lockbox: no access without the customer's decision, nothing off the record.",
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    # With a callback, a single command too is called by its name.
    @app.callback()
    def lockbox() -> None:
        pass

    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}").register(app)
    return app


@cache
def _command() -> Any:
    return typer.main.get_command(make_app())


def main() -> NoReturn:
    """Run the command line: exit code 0 for done, 1 for refused or failed, 2 for wrong usage."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A letter that the terminal does not have is no reason to fail.
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # Only a replaced one has it not.
    as_json = _wants_json(arguments)
    try:
        code = _command()(args=list(arguments), prog_name="lockbox", standalone_mode=False)
    except Stop as stop:
        complain(stop, as_json=as_json)
        return stop.exit_code
    except LockboxError as error:
        complain(error, as_json=as_json, profile=profile_of(error))
        return FAILED
    except _ClickException as error:
        if as_json:
            complain(Stop(error.format_message(), USAGE), as_json=True)
        else:
            error.show()
        return int(error.exit_code)
    except typer.Abort:
        return FAILED
    return code if isinstance(code, int) else 0


def _wants_json(arguments: Sequence[str]) -> bool:
    """Say whether errors go to a program; also where the arguments are wrong, so that nobody has parsed them."""
    before = list(arguments[: arguments.index("--")]) if "--" in arguments else list(arguments)
    asked = [one.removeprefix("--output=") for one in before if one.startswith("--output=")]
    asked += [value for name, value in pairwise(before) if name == "--output"]
    return asked[-1:] == ["json"]
