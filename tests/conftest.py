"""What all tests share: one PostgreSQL and one RabbitMQ a run, and databases and virtual hosts that one test alone sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.postgres import Postgres
from deploy.local.rabbitmq import RabbitMQ
from tests import keeper, servers

KEPT = pytest.StashKey[keeper.Kept]()
SOCKET = "lockbox_keeper"
LONG_FIRST = ("chaos", "e2e", "browser", "contract", "integration")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give each process of a parallel run (`-n 2`) the way to the servers that all of them share."""
    if KEPT not in node.config.stash:
        node.config.stash[KEPT] = keeper.Kept()
    node.workerinput[SOCKET] = node.config.stash[KEPT].path


def pytest_unconfigure(config: pytest.Config) -> None:
    if KEPT in config.stash:
        config.stash[KEPT].close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep files and rooms together, for `--dist loadfile`."""
    from tests.scheduling import ByRoom

    return ByRoom(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the long files of a parallel run first, so that its processes end at about the same time."""
    if _keeper_of(config):
        items.sort(key=lambda item: _place_in_line(item.path))


@pytest.fixture(scope="session")
async def postgres(request: pytest.FixtureRequest) -> AsyncIterator[servers.PostgresServer]:
    """The run's PostgreSQL: `.url` is an administrator's address. Never stopped by a test."""
    if socket := _keeper_of(request.config):
        yield servers.GivenPostgres(**await keeper.ask(socket, "postgres"))
        return
    async with servers.any_postgres() as server:
        yield server


@pytest.fixture(scope="session")
async def rabbitmq(request: pytest.FixtureRequest) -> AsyncIterator[servers.RabbitServer]:
    """The run's RabbitMQ: `.amqp_url` and `.management_url` are an administrator's. Never stopped by a test."""
    if socket := _keeper_of(request.config):
        yield servers.GivenRabbit(**await keeper.ask(socket, "rabbitmq"))
        return
    async with servers.any_rabbitmq() as server:
        yield server


def _keeper_of(config: pytest.Config) -> str | None:
    return getattr(config, "workerinput", {}).get(SOCKET)


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


def _place_in_line(path: Path) -> int:
    folder = path.relative_to(Path(__file__).parent).parts[0]
    return LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)
