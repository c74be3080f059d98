"""Waits for loops that go on after any fault, in a way that a stop always ends them.

An error while something is cleaned up takes the place of a cancellation, and so a loop that goes on after errors would go on
after a stop too. Both waits look for that first.
"""

import asyncio
import contextlib


async def pause(seconds: float) -> None:
    """Wait. Raises CancelledError at once where the task was told to stop and an error has hidden it."""
    _obey_stop()
    await asyncio.sleep(seconds)


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait until woken, at most `seconds`. Raises CancelledError as `pause` does.

    Not `wait_for`: before Python 3.12 it loses a cancellation that meets the wake, and the stop hangs.
    """
    _obey_stop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()


def _obey_stop() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
