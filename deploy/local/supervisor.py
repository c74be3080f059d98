"""Keeps children running: one that ends is started again, later each time, until the supervisor itself is told to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from deploy.local.process import StartError

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
# Who ran this long is taken for healthy: the next end waits the first delay again.
HEALTHY_SECONDS = 60.0


class Child(Protocol):
    """What can be supervised: a process, or a server that is more than one."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    async def start(self) -> None:
        """Start, and return once others can build on it; raise StartError."""

    async def wait(self) -> int:
        """Wait for the end."""

    async def stop(self) -> None:
        """End it with all that belongs to it; without effect where it has ended."""


@dataclass
class Supervisor:
    """Starts children, watches them, and stops them in the order of the calls to `stop`."""

    say: Callable[[str], None]
    changed: Callable[[], None]
    restarts: dict[str, int] = field(default_factory=dict)
    _watches: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _children: dict[str, Child] = field(default_factory=dict)

    @property
    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    async def start(self, *children: Child) -> None:
        """Start children side by side and watch them from then on; raise the first StartError once all came to an end."""
        for child in children:
            self._children[child.name] = child
        outcomes = await asyncio.gather(*(child.start() for child in children), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        for child in children:
            self._watches[child.name] = asyncio.create_task(self._watch(child), name=f"watch {child.name}")
        self.changed()

    async def stop(self, names: Iterable[str]) -> None:
        """Stop children side by side; those that were never started are passed over."""
        children = [self._children[name] for name in names if name in self._children]
        for child in children:
            if watch := self._watches.pop(child.name, None):
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in children))
        for child in children:
            del self._children[child.name]

    async def stop_all(self) -> None:
        await self.stop(list(self._children))

    def let_go(self) -> None:
        """Start nothing again from now on."""
        for watch in self._watches.values():
            watch.cancel()

    async def _watch(self, child: Child) -> None:
        delay = FIRST_DELAY_SECONDS
        while True:
            started = time.monotonic()
            code = await child.wait()
            if time.monotonic() - started > HEALTHY_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self.restarts[child.name] = self.restarts.get(child.name, 0) + 1
            self.changed()
            self.say(f"{child.name} ended ({_told(code)}): starting it again in {delay:g} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)
            try:
                await child.start()
            except (StartError, OSError) as error:
                self.say(str(error))
            self.changed()


def _told(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
