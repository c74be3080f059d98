"""The servers of a run in several processes: one process keeps them, starts each when first asked, and ends with the run.

The run's own process holds the other end of this one's standard input. However that process ends, the kernel closes it, and
that ends the servers: a killed run leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests import servers

# The first to ask for RabbitMQ on a fresh machine waits for its installation too.
ANSWER_SECONDS = 600
STOP_SECONDS = 60


class Keeper:
    """Answers on a Unix socket: a line with a server's name brings a line with its addresses."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._found: dict[str, asyncio.Task[dict[str, Any]]] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = (await reader.readline()).decode().strip()
        # A task of its own: the start goes on for the others when the one who asked is gone.
        if name not in self._found:
            self._found[name] = asyncio.create_task(self._start(name))
        try:
            said = await asyncio.shield(self._found[name])
        except Exception as error:  # noqa: BLE001 - Told to whoever asked, who fails with it.
            said = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(said).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def _start(self, name: str) -> dict[str, Any]:
        if name == "postgres":
            postgres = await self._stack.enter_async_context(servers.any_postgres())
            return asdict(servers.GivenPostgres(postgres.url))
        broker = await self._stack.enter_async_context(servers.any_rabbitmq())
        return asdict(servers.GivenRabbit(broker.amqp_url, broker.management_url))

    async def close(self) -> None:
        for starting in self._found.values():
            starting.cancel()
        await asyncio.gather(*self._found.values(), return_exceptions=True)
        await self._stack.aclose()


async def keep(path: str) -> None:
    """Answer until standard input ends, then end the servers and leave no folder."""
    keeper = Keeper()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    try:
        async with await asyncio.start_unix_server(keeper.answer, path):
            await ended.wait()
    finally:
        await keeper.close()
        shutil.rmtree(Path(path).parent, ignore_errors=True)


async def ask(path: str, name: str) -> dict[str, Any]:
    """Give a server's addresses; the first who asks has it started. Raises RuntimeError where it can't be."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(name.encode() + b"\n")
    said: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), ANSWER_SECONDS))
    writer.close()
    if "error" in said:
        raise RuntimeError(said["error"])
    return said


class Kept:
    """The keeper as a child of the run's own process. `path` is where it answers."""

    def __init__(self) -> None:
        self.path = f"{tempfile.mkdtemp(prefix='lockbox-keeper-')}/socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.keeper", self.path],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            # An interrupt from the keyboard is for the run, which then ends the keeper in order.
            start_new_session=True,
        )
        while not Path(self.path).exists():
            if self._process.poll() is not None:
                raise RuntimeError("the process that keeps the servers of this run ended at once")
            time.sleep(0.02)

    def close(self) -> None:
        self._process.communicate(timeout=STOP_SECONDS)


if __name__ == "__main__":
    asyncio.run(keep(sys.argv[1]))
