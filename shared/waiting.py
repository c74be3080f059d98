"""Waiting for an event for a while, in a way that a stop always ends."""

import asyncio
import contextlib


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait until woken, at most `seconds`.

    Not `wait_for`: before Python 3.12 it loses a cancellation that meets the wake, and the stop hangs.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
