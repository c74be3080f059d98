"""The real PostgreSQL and RabbitMQ of a test run: the ones that the environment names, containers, or our own launcher's."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
import httpx

from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.rabbitmq_docker import IMAGE, can_run
from deploy.local.state import DataFolder
from shared.database.provision import provision_database
from shared.events.catalogue import SERVICES
from shared.messaging.topology import provision_broker

# Roles and users belong to the whole server, so all tests of a run share their passwords.
PASSWORDS = {service: f"{service}-in-tests" for service in SERVICES}


class PostgresServer(Protocol):
    @property
    def url(self) -> str: ...


class RabbitServer(Protocol):
    @property
    def amqp_url(self) -> str: ...

    @property
    def management_url(self) -> str: ...


@dataclass(frozen=True)
class GivenPostgres:
    """A server that somebody else runs."""

    url: str


@dataclass(frozen=True)
class GivenRabbit:
    """A broker that somebody else runs."""

    amqp_url: str
    management_url: str


@dataclass(frozen=True)
class Broker:
    """A virtual host with the whole topology: each service's own address in `urls`, and the administrator's."""

    virtual_host: str
    urls: dict[str, str]
    admin_url: str
    management_url: str


@contextmanager
def data_folder() -> Iterator[DataFolder]:
    """Give a data folder that is gone afterwards, open to the servers' own accounts."""
    path = Path(tempfile.mkdtemp(prefix="lockbox-tests-"))
    path.chmod(0o711)
    try:
        yield DataFolder(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def own_postgres() -> AsyncIterator[Postgres]:
    """Start a server for the caller alone, who may stop, kill and start it."""
    with data_folder() as folder:
        server = Postgres(folder)
        try:
            await server.start()
            yield server
        finally:
            await server.stop()
            server.remove()


@asynccontextmanager
async def own_rabbitmq() -> AsyncIterator[RabbitMQ]:
    """Start a node for the caller alone, who may stop, kill and start it."""
    root = os.environ.get("LOCKBOX_RABBITMQ_ROOT")
    with data_folder() as folder:
        node = RabbitMQ(folder, print, Path(root) if root else None)
        try:
            await node.start()
            yield node
        finally:
            await node.stop()
            node.remove()


@asynccontextmanager
async def any_postgres() -> AsyncIterator[PostgresServer]:
    """Give the run's server: LOCKBOX_DATABASE_URL, or a container, or our own."""
    if url := os.environ.get("LOCKBOX_DATABASE_URL"):
        yield GivenPostgres(url)
    elif await can_run("postgres:18", print):
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer("postgres:18", driver=None).with_command("postgres -c max_connections=200") as container:
            yield GivenPostgres(container.get_connection_url())
    else:
        async with own_postgres() as server:
            yield server


@asynccontextmanager
async def any_rabbitmq() -> AsyncIterator[RabbitServer]:
    """Give the run's broker: LOCKBOX_AMQP_URL with LOCKBOX_AMQP_MANAGEMENT_URL, or a container, or our own."""
    url, management_url = os.environ.get("LOCKBOX_AMQP_URL"), os.environ.get("LOCKBOX_AMQP_MANAGEMENT_URL")
    if url and management_url:
        yield GivenRabbit(url, management_url)
    elif "LOCKBOX_RABBITMQ_ROOT" not in os.environ and await can_run(IMAGE, print):
        from testcontainers.rabbitmq import RabbitMqContainer

        with RabbitMqContainer(IMAGE).with_exposed_ports(15672) as container:
            host, port, management = (
                container.get_container_host_ip(),
                container.get_exposed_port(5672),
                container.get_exposed_port(15672),
            )
            yield GivenRabbit(f"amqp://guest:guest@{host}:{port}/", f"http://guest:guest@{host}:{management}")
    else:
        async with own_rabbitmq() as node:
            yield node


class Databases:
    """Makes databases of the services that no other test sees, and drops them."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self._names: list[str] = []

    async def __call__(self, service: str) -> str:
        """Give the service's own address of a fresh database with its migrations."""
        name = f"{service}_{secrets.token_hex(4)}"
        self._names.append(name)
        return await provision_database(self._admin_url, service, PASSWORDS[service], database=name)

    async def drop(self) -> None:
        if not self._names:
            return
        connection = await asyncpg.connect(self._admin_url, timeout=10)
        try:
            for name in self._names:
                await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()


class Brokers:
    """Makes virtual hosts that no other test sees, and deletes them."""

    def __init__(self, server: RabbitServer) -> None:
        self._server = server
        self._names: list[str] = []

    async def __call__(self) -> Broker:
        """Give a fresh virtual host with users, rights, exchange, queues and bindings."""
        name = f"test-{secrets.token_hex(4)}"
        self._names.append(name)
        server = self._server
        urls = await provision_broker(server.amqp_url, server.management_url, PASSWORDS, virtual_host=name)
        admin_url = server.amqp_url.rpartition("/")[0] + f"/{name}"
        return Broker(name, urls, admin_url, server.management_url)

    async def delete(self) -> None:
        async with httpx.AsyncClient(base_url=self._server.management_url, timeout=20, trust_env=False) as client:
            for name in self._names:
                await client.delete(f"/api/vhosts/{name}")
