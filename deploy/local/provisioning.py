"""What the services stand on, in servers that run: a database, roles and migrations each, users, queues and rights."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx
from aio_pika.exceptions import AMQPError

from deploy.local.process import StartError
from deploy.local.services import SERVICES
from deploy.local.state import DataFolder
from shared.database.migrate import MigrationChanged
from shared.database.provision import provision_database
from shared.messaging.topology import TopologyRefused, provision_broker

FAULTS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.HTTPError, AMQPError, TopologyRefused)


class Provisioning:
    """Makes what is missing and brings the rest up to date; gives each service's own address.

    Raises StartError, in one line, where a server refuses.
    """

    def __init__(self, folder: DataFolder) -> None:
        self._passwords = {service: folder.secret(f"{service}_password") for service in SERVICES}

    async def databases(self, url: str) -> dict[str, str]:
        try:
            urls = await asyncio.gather(
                *(provision_database(url, service, password) for service, password in self._passwords.items()),
            )
        except MigrationChanged as error:
            # Made by a version that was never released: no way leads from it to this one.
            remedy = "use the version that made these databases, or begin with an empty folder"
            raise StartError(f"the databases can't be set up: {_told(error)}; {remedy}") from error
        except FAULTS as error:
            raise StartError(f"the databases can't be set up: {_told(error)}") from error
        return dict(zip(self._passwords, urls, strict=True))

    async def brokers(self, amqp_url: str, management_url: str) -> dict[str, str]:
        try:
            return await provision_broker(amqp_url, management_url, self._passwords)
        except FAULTS as error:
            raise StartError(f"queues and rights can't be set up: {_told(error)}") from error


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
