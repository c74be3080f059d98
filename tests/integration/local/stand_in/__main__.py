"""`python -m tests.integration.local.stand_in DATA PORT_BASE [servers]`: `lockbox up --json` with stand-ins for the services.

Without the third word it runs without servers too.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

from deploy.local.choices import Choices
from deploy.local.provisioning import Provisioning
from deploy.local.services import SERVICES
from deploy.local.up import run


class NoServers(Provisioning):
    async def databases(self, url: str) -> dict[str, str]:
        return dict.fromkeys(SERVICES, url)

    async def brokers(self, amqp_url: str, management_url: str) -> dict[str, str]:
        return dict.fromkeys(SERVICES, amqp_url)


if __name__ == "__main__":
    choices = Choices(
        data=Path(sys.argv[1]),
        port_base=int(sys.argv[2]),
        rabbitmq_root=Path(root) if (root := os.environ.get("LOCKBOX_RABBITMQ_ROOT")) else None,
        package="tests.integration.local.stand_in",
    )
    if "servers" in sys.argv:
        sys.exit(run(choices, as_json=True))
    alone = dataclasses.replace(
        choices, database_url="postgresql://nobody", amqp_url="amqp://nobody", management_url="http://nobody"
    )
    sys.exit(run(alone, as_json=True, provisioning=NoServers))
