"""`lockbox up`: the whole system on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lockbox.cli.terminal import refuse

LAST_PORT_BASE = 65529


def register(app: typer.Typer) -> None:
    app.command("up")(up)


def up(
    data: Annotated[
        Path,
        typer.Option(help="Folder of the system: databases, queues, mails, keys, secrets, logs, state.json."),
    ] = Path(".lockbox"),
    port_base: Annotated[
        int,
        typer.Option(
            min=1024,
            max=LAST_PORT_BASE,
            help="Port of request_api; approval, audit, notifier, expiry and the mails' page take the next five.",
        ),
    ] = 8000,
    database_url: Annotated[
        str | None,
        typer.Option(help="Administrator's address of a PostgreSQL of one's own (or LOCKBOX_DATABASE_URL)."),
    ] = None,
    amqp_url: Annotated[
        str | None,
        typer.Option(
            help="Administrator's address of a RabbitMQ of one's own (or LOCKBOX_AMQP_URL); "
            "LOCKBOX_AMQP_MANAGEMENT_URL goes with it.",
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make two tenants and their people, all with one password.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Once all are ready, print one line of JSON.")] = False,
) -> None:
    """Run RabbitMQ, PostgreSQL, a mail catcher and the five services here, supervised, until Ctrl-C.

    Everything listens on 127.0.0.1 alone. The next start on the same folder goes on where this one ended.
    """
    try:
        # Whoever installs the client alone has none of this.
        from deploy.local import choices, process  # noqa: PLC0415
        from deploy.local.up import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        refuse(f"{error.name} is missing, which `lockbox up` needs: pip install 'openlockbox[server,embedded]'")
    try:
        chosen = choices.choose(
            data=data,
            port_base=port_base,
            demo=demo,
            database_url=database_url,
            amqp_url=amqp_url,
        )
    except process.StartError as error:
        refuse(str(error))
    raise typer.Exit(run(chosen, as_json=as_json))
