"""Starting stand-ins under the real supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import running
from tests.integration.local.ups import Ups


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Ups]:
    """`await up()` starts stand-ins under the real supervisor; what a test leaves running is ended."""
    ups = Ups(tmp_path)
    yield ups
    await ups.end()


@pytest.fixture(scope="module")
async def one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[running.Running]:
    """A system of stand-ins that several tests look at and none ends."""
    ups = Ups(tmp_path_factory.mktemp("one"))
    yield await ups()
    await ups.end()
