"""Tells those who wait for new entries that the log has grown, in whichever process it was appended to."""

import asyncio

import structlog

from services.audit.store.log import GROWTH_CHANNEL
from shared.database.faults import TRANSIENT
from shared.database.pool import Pool, listening
from shared.waiting import pause, woken

PAUSE_SECONDS = 0.5
# Word comes by NOTIFY; this is for one that was lost with its connection.
LOOK_AT_LEAST_EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Growth:
    """Listens to the database. `wait` may return without a new entry: whoever waits looks again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._grown = asyncio.Event()

    async def wait(self, seen: asyncio.Event, seconds: float) -> None:
        """Wait until the log has grown since `seen` was taken from `now()`, at most so long."""
        await woken(seen, min(seconds, LOOK_AT_LEAST_EVERY_SECONDS))

    def now(self) -> asyncio.Event:
        """Give what will be set when the log grows from now on. Take it before the look at the log."""
        return self._grown

    async def run(self) -> None:
        """Listen until cancelled, through every fault of the database."""
        while True:
            try:
                await self._listen()
            except TRANSIENT as error:
                log.warning("listening_interrupted", error=repr(error))
            except Exception:
                # Whatever it is, who waits would be woken late from now on if this ended.
                log.exception("listening_failed")
            self._tell()
            await pause(PAUSE_SECONDS)

    async def _listen(self) -> None:
        lost = asyncio.Event()

        def told(*_: object) -> None:
            self._tell()

        def ended(*_: object) -> None:
            lost.set()

        async with listening(self._pool, GROWTH_CHANNEL, told) as connection:
            connection.add_termination_listener(ended)
            self._tell()
            await lost.wait()

    def _tell(self, *_: object) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
