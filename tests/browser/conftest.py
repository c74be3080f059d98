"""One browser and one running system for all files of this folder, and windows of people in it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.chromium import MISSING, find_chromium
from tests.browser.windows import Windows
from tests.integration.notifier.catching import Catcher, catching
from tests.servers import PostgresServer, RabbitServer
from tests.system import System, running_system


@pytest.fixture(scope="package")
async def browser(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    def say(words: str) -> None:
        with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(words, file=sys.stderr, flush=True)

    program = find_chromium(tmp_path_factory.getbasetemp().parent / "chromium.lock", say)
    if program is None:
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        # As root, in a container, Chromium's own sandbox has no ground to stand on; all pages are ours.
        running = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        await running.close()


@pytest.fixture(scope="package")
async def mail() -> AsyncIterator[Catcher]:
    async with catching() as catcher:
        yield catcher


@pytest.fixture(scope="package")
async def system(
    browser: Browser, postgres: PostgresServer, rabbitmq: RabbitServer, mail: Catcher
) -> AsyncIterator[System]:
    """The five services; people reach the portal by a name, to which their passkeys are bound."""
    async with running_system(
        postgres, rabbitmq, virtual_host="browser", smtp_url=mail.url, portal_host="localhost"
    ) as running:
        yield running


@pytest.fixture
async def windows(browser: Browser, system: System) -> AsyncIterator[Windows]:
    """Windows of this test alone: each person has a profile of his own, without the others' cookies."""
    opened = Windows(browser, system)
    yield opened
    await opened.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, help="write pictures of the main pages into this folder")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    wanted = config.getoption("--screenshots", default=None) is not None
    return True if collection_path.name == "test_pictures.py" and not wanted else None
