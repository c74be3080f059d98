"""Stopping the loop that sends mails."""

import asyncio
from typing import cast

from services.notifier.sending import Sending
from shared.database.pool import Pool
from shared.mail.smtp import MailServer


class Idle(Sending):
    """Has nothing to send."""

    async def _send_all(self, pool: Pool) -> None:
        pass

    async def _pause(self, pool: Pool) -> float:
        return 60


async def test_a_stop_that_meets_a_wake_stops_it() -> None:
    for steps in range(4):
        sending = Idle(MailServer("127.0.0.1", 25), "lockbox@localhost")
        task = asyncio.create_task(sending.run(cast("Pool", None)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sending.heard([])
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done
        assert task.cancelled()
