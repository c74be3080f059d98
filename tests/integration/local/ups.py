"""`lockbox up` with stand-ins for the services, as often as a test wants, each on a folder and ports of its own."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import running
from tests.running import Running, free_port_base


@dataclass
class Ups:
    folder: Path
    _started: list[Running] = field(default_factory=list)

    async def __call__(self, name: str = "data", base: int | None = None, **env: str) -> Running:
        data = self.folder / name
        command = (sys.executable, "-m", "tests.integration.local.stand_in", str(data), str(base or free_port_base()))
        one = await running.start(*command, data=data, env=env)
        self._started.append(one)
        return one

    async def end(self) -> None:
        await asyncio.gather(*(one.end() for one in self._started if one.process.returncode is None))


def base_of(one: Running) -> int:
    return int(one.state["request_api"].rpartition(":")[2])


async def answers(url: str) -> None:
    """Wait until a service is ready."""
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.05)
