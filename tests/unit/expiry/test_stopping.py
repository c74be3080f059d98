"""Stopping the loop that fires timers."""

import asyncio
from typing import cast

from services.expiry.firing import Firing
from shared.database.pool import Pool


class Idle(Firing):
    """Has nothing to fire."""

    async def _look(self, pool: Pool) -> float:
        return 60


async def test_a_stop_that_meets_a_wake_stops_it() -> None:
    for steps in range(4):
        firing = Idle()
        task = asyncio.create_task(firing.run(cast("Pool", None)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        firing.heard([])
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done
        assert task.cancelled()
