"""`lockbox up` on servers of its own: whatever is killed, it comes back, and in the end nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import httpx
import pytest

from tests import running
from tests.running import Running, data_place, free_port_base, processes_of


@pytest.fixture
async def one() -> AsyncIterator[Running]:
    """A system with real servers; stand-ins take the services' places, for this is about what stands below."""
    with data_place() as data:
        started = await up(data, free_port_base())
        yield started
        await started.end()


async def up(data: Path, base: int) -> Running:
    command = (sys.executable, "-m", "tests.integration.local.stand_in", str(data), str(base), "servers")
    return await running.start(*command, data=data)


async def signed_in_to_postgres(state: dict[str, str]) -> None:
    await (await asyncpg.connect(state["database"], timeout=5)).close()


async def connected_to_rabbitmq(state: dict[str, str]) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(state["amqp"]).port)
    writer.close()
    await writer.wait_closed()


async def answers(state: dict[str, str]) -> None:
    """Wait until both servers take connections."""
    for try_one in (signed_in_to_postgres, connected_to_rabbitmq):
        while True:
            try:
                await try_one(state)
                break
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
    async with await aio_pika.connect(state["amqp"], timeout=10):
        pass


async def test_killed_servers_come_back_and_a_killed_supervisor_s_folder_goes_on(one: Running) -> None:
    base = int(one.state["request_api"].rpartition(":")[2])
    connection = await asyncpg.connect(one.state["database"])
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    await connection.close()
    before = one.state["pids"]
    for server in ("postgres", "rabbitmq"):
        os.kill(before[server], signal.SIGKILL)
    for server in ("postgres", "rabbitmq"):
        while one.current()["pids"].get(server, before[server]) == before[server]:  # noqa: ASYNC110 - A file's content.
            await asyncio.sleep(0.1)
    await answers(one.state)
    assert {**one.current(), "pids": {}} == {**one.state, "pids": {}}

    await one.end(signal.SIGKILL)
    again = await up(one.data, base)
    try:
        assert {**again.state, "pids": {}} == {**one.state, "pids": {}}
        await answers(again.state)
        connection = await asyncpg.connect(again.state["database"])
        assert await connection.fetchval("SELECT answer FROM kept") == 42
        assert await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'approval'") == 1
        await connection.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{again.state['mail']}/messages")).json() == {"items": []}
    finally:
        await again.end()
    assert again.process.returncode == 0
    assert processes_of(one.data) == []


async def test_sigterm_while_it_starts_leaves_nothing() -> None:
    with data_place() as data:
        command = (
            sys.executable,
            "-m",
            "tests.integration.local.stand_in",
            str(data),
            str(free_port_base()),
            "servers",
        )
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        assert process.stderr is not None
        assert b"starting" in await process.stderr.readline()
        await asyncio.sleep(1)
        process.terminate()
        await process.communicate()
        assert process.returncode == 0
        assert processes_of(data) == []
