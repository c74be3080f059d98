"""The service approval for the tests of one file: its routes and handlers on a database of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.approval.system import Approval, approval_on
from tests.integration.notifier.catching import Catcher, catching
from tests.oidc_provider.provider import Provider
from tests.oidc_provider.world import real_issuer
from tests.servers import Databases, PostgresServer


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    """The demo's people, and requests as each test makes them; what a test asserts is about its own requests."""
    databases = Databases(postgres.url)
    try:
        async with approval_on(await databases("approval"), tmp_path_factory.mktemp("approval")) as running:
            yield running
    finally:
        await databases.drop()


@pytest.fixture
async def fresh(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    """The demo's people, in a database of one test alone: here the last ones of a realm go."""
    databases = Databases(postgres.url)
    try:
        async with approval_on(await databases("approval"), tmp_path_factory.mktemp("fresh")) as running:
            yield running
    finally:
        await databases.drop()


@pytest.fixture
async def catcher() -> AsyncIterator[Catcher]:
    async with catching() as running:
        yield running


@pytest.fixture(scope="module")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    """The certified provider from npm, started for one file."""
    async with real_issuer(tmp_path_factory.mktemp("provider")) as started:
        yield started
