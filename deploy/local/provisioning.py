"""What the services stand on, in servers that run: a database, roles and migrations each, users, queues and rights."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg
import httpx
from aio_pika.exceptions import AMQPError

from deploy.local.process import StartError
from deploy.local.services import SERVICES
from deploy.local.state import DataFolder
from shared.database.provision import provision_database
from shared.messaging.topology import TopologyRefused, provision_broker

FAULTS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.HTTPError, AMQPError, TopologyRefused)


@dataclass(frozen=True)
class Servers:
    """Administrators' addresses."""

    database_url: str
    amqp_url: str
    management_url: str


@dataclass(frozen=True)
class Addresses:
    """Each service's own addresses."""

    databases: dict[str, str]
    brokers: dict[str, str]


async def provision(servers: Servers, folder: DataFolder) -> Addresses:
    """Make what is missing and bring the rest up to date; raise StartError, in one line, where a server refuses."""
    passwords = {service: folder.secret(f"{service}_password") for service in SERVICES}
    try:
        databases = await asyncio.gather(
            *(provision_database(servers.database_url, service, passwords[service]) for service in SERVICES),
        )
    except FAULTS as error:
        raise StartError(f"the databases can't be set up: {_told(error)}") from error
    try:
        brokers = await provision_broker(servers.amqp_url, servers.management_url, passwords)
    except FAULTS as error:
        raise StartError(f"queues and rights can't be set up: {_told(error)}") from error
    return Addresses(dict(zip(SERVICES, databases, strict=True)), brokers)


def _told(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
