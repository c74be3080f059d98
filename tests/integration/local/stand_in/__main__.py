"""`python -m tests.integration.local.stand_in DATA PORT_BASE`: `lockbox up --json` with stand-ins and without servers."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.local.choices import Choices
from deploy.local.provisioning import Addresses, Servers
from deploy.local.services import SERVICES
from deploy.local.state import DataFolder
from deploy.local.up import run


async def no_servers(_: Servers, __: DataFolder) -> Addresses:
    return Addresses(
        dict.fromkeys(SERVICES, "postgresql://nobody@127.0.0.1:1/none"),
        dict.fromkeys(SERVICES, "amqp://nobody@127.0.0.1:1/none"),
    )


if __name__ == "__main__":
    choices = Choices(
        data=Path(sys.argv[1]),
        port_base=int(sys.argv[2]),
        database_url="postgresql://nobody@127.0.0.1:1/none",
        amqp_url="amqp://nobody@127.0.0.1:1/none",
        management_url="http://127.0.0.1:1",
        package="tests.integration.local.stand_in",
    )
    sys.exit(run(choices, as_json=True, provision=no_servers))
