"""What all tests share: one PostgreSQL and one RabbitMQ a run, and databases and virtual hosts that one test alone sees."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import RabbitMQ
from tests import servers


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[servers.PostgresServer]:
    """The run's PostgreSQL: `.url` is an administrator's address. Never stopped by a test."""
    async with servers.any_postgres() as server:
        yield server


@pytest.fixture(scope="session")
async def rabbitmq() -> AsyncIterator[servers.RabbitServer]:
    """The run's RabbitMQ: `.amqp_url` and `.management_url` are an administrator's. Never stopped by a test."""
    async with servers.any_rabbitmq() as server:
        yield server


@pytest.fixture(scope="module")
async def own_postgres() -> AsyncIterator[Postgres]:
    """A PostgreSQL for one test file, which may stop, kill and start it."""
    async with servers.own_postgres() as server:
        yield server


@pytest.fixture(scope="module")
async def own_rabbitmq() -> AsyncIterator[RabbitMQ]:
    """A RabbitMQ node for one test file, which may stop, kill and start it."""
    async with servers.own_rabbitmq() as node:
        yield node


@pytest.fixture
async def make_database(postgres: servers.PostgresServer) -> AsyncIterator[servers.Databases]:
    """`await make_database("approval")` gives that service's address of a fresh database."""
    databases = servers.Databases(postgres.url)
    yield databases
    await databases.drop()


@pytest.fixture
async def make_broker(rabbitmq: servers.RabbitServer) -> AsyncIterator[servers.Brokers]:
    """`await make_broker()` gives a fresh virtual host: `.urls[service]`, `.admin_url`, `.management_url`."""
    brokers = servers.Brokers(rabbitmq)
    yield brokers
    await brokers.delete()
