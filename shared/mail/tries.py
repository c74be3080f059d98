"""How often a mail is tried, and what a stop of the service does to one that is on its way."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

# What is on its way when the service stops is brought to its end, if that is near.
GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often, and how long apart, a delivery is tried: about twelve hours, the default time for a decision."""

    tries: int = 60
    first_seconds: float = 1.0
    longest_seconds: float = 900.0

    def after(self, attempt: int) -> timedelta:
        """Return the wait after a try (the first is 1): doubled each time, and spread so that many do not come at once."""
        longest = min(self.first_seconds * 2.0 ** (attempt - 1), self.longest_seconds)
        return timedelta(seconds=longest * random.uniform(0.5, 1.0))  # noqa: S311 - It spreads load, nothing more.


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do a piece of work that the service's stop does not tear apart, unless it takes too long."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=GRACE_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
