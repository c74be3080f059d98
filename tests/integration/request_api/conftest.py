"""One running request_api for the files of this folder: each test has tenants and people of its own in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import servers
from tests.integration.request_api.world import World, world


@pytest.fixture(scope="package")
async def here(
    postgres: servers.PostgresServer, rabbitmq: servers.RabbitServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The world that the files share. What a test stops or poisons, it mends."""
    databases = servers.Databases(postgres.url)
    brokers = servers.Brokers(rabbitmq)
    try:
        async with world(databases, await brokers(), tmp_path_factory.mktemp("keys")) as found:
            yield found
    finally:
        await databases.drop()
        await brokers.delete()
