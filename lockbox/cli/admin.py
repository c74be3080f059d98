"""`lockbox admin bootstrap`: the provider's very first operator. For the one who operates the servers, on a server."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import Annotated

import typer

from lockbox.cli.command import Output, OutputOption, subject
from lockbox.cli.terminal import FAILED, print_json, refuse, warn


def register(app: typer.Typer) -> None:
    """Add the commands."""
    subject(app, "admin", "For the one who operates the servers.").command("bootstrap")(bootstrap)


def bootstrap(
    email: Annotated[str, typer.Option(help="The first operator's address.")],
    name: Annotated[str, typer.Option(help="The first operator's name.")],
    again: Annotated[
        bool, typer.Option("--again", help="Another link for that person, while no operator has set up an account.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make the provider's first operator, and print a one-time link for that person.

    Runs on a server, with the settings of `approval` in the environment (LOCKBOX_DATABASE_URL and so on).
    """
    try:
        # Whoever installs the client alone has none of this.
        from services.approval.bootstrap import main  # noqa: PLC0415
    except ModuleNotFoundError as error:
        refuse(f"{error.name} is missing, which servers need: pip install 'openlockbox[server]'")
    said, complained = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(complained):
            main(["--email", email, "--name", name, *(["--again"] if again else [])])
    except SystemExit as end:
        last = (complained.getvalue().strip().splitlines() or ["it ended"])[-1]
        refuse(last.removeprefix("bootstrap: "), end.code if isinstance(end.code, int) else FAILED)
    if output is Output.JSON:
        print_json({"link": said.getvalue().strip()})
        return
    typer.echo(said.getvalue().strip())
    warn("Whoever opens this link chooses the operator's password; it can be used once.")
