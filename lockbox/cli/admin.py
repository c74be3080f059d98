"""`lockbox admin bootstrap`: the provider's very first operator. For the one who operates the servers, on a server."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from typing import Annotated

import typer

from lockbox.cli.command import subject
from lockbox.cli.terminal import refuse

_BOOTSTRAP = "services.approval.bootstrap"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    subject(app, "admin", "For the one who operates the servers.").command("bootstrap")(bootstrap)


def bootstrap(
    email: Annotated[str, typer.Option(help="The first operator's address.")],
    name: Annotated[str, typer.Option(help="The first operator's name.")],
) -> None:
    """Make the provider's first operator, and print a one-time link for that person.

    Runs on a server, with the settings of `approval` in the environment (LOCKBOX_DATABASE_URL and so on).
    """
    try:
        found = importlib.util.find_spec(_BOOTSTRAP)
    except ModuleNotFoundError:
        found = None
    if found is None:
        refuse("this runs on a server, with the services installed: pip install 'openlockbox[server]'")
    sys.argv = [_BOOTSTRAP, "--email", email, "--name", name]
    runpy.run_module(_BOOTSTRAP, run_name="__main__")
