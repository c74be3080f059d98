"""A system started with `lockbox up` as its users start it: in a process of its own, and ended with all that it started."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.process import marked
from deploy.local.state import DataFolder, is_free

LOCKBOX = (sys.executable, "-m", "lockbox.cli", "up", "--json")


@dataclass
class Running:
    """A `lockbox up` under way; `state` is what it printed once all were ready."""

    process: asyncio.subprocess.Process
    state: dict[str, Any]
    data: Path

    def current(self) -> dict[str, Any]:
        """Read what `state.json` says now."""
        state: dict[str, Any] = json.loads((self.data / "state.json").read_text(encoding="utf-8"))
        return state

    async def end(self, number: signal.Signals = signal.SIGTERM) -> str:
        """End it, and give what it wrote on stderr; the exit code is in `process.returncode`."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return (await self.process.communicate())[1].decode()


class NotReadyError(RuntimeError):
    """It ended before it was ready; the text is what it wrote on stderr."""


async def start(*command: str, data: Path, env: Mapping[str, str] | None = None) -> Running:
    """Start a `lockbox up --json` and wait for its line; raise NotReadyError where it ends without one."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise NotReadyError((await process.communicate())[1].decode())
    return Running(process, json.loads(line), data)


@asynccontextmanager
async def system(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Run a whole system with `lockbox up` and these arguments, on a data folder and ports of its own."""
    with data_place() as data:
        command = (*LOCKBOX, "--data", str(data), "--port-base", str(free_port_base()), *arguments)
        running = await start(*command, data=data, env=env)
        try:
            yield running
        finally:
            await running.end()


@contextmanager
def data_place() -> Iterator[Path]:
    """Give the path of a data folder that is gone afterwards; the servers' own accounts can reach it."""
    with tempfile.TemporaryDirectory(prefix="lockbox-system-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def free_port_base() -> int:
    """Find the first of six ports in a row that nobody listens on, below those that the kernel hands out."""
    while True:
        base = random.randrange(20_000, 32_000, 10)
        if all(is_free(base + offset) for offset in range(6)):
            return base


def processes_of(data: Path) -> list[int]:
    """Give the living processes that belong to the system on this data folder."""
    return [process.pid for process in marked(DataFolder(data).mark)]
