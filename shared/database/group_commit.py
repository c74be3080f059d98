"""Group commit: commands of concurrent callers share one transaction, and each is answered after its own commit."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.database.faults import is_transient

Command = TypeVar("Command")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Command, Answer]):
    """Runs commands in batches: while one batch commits, the next gathers. No timer, so a lone caller waits for nobody.

    `run` takes commands in the order of their arrival, does them in one transaction and returns an answer for each; an
    exception in place of an answer is raised to that caller alone. When `run` itself raises, the transaction is undone:
    a transient fault is raised to every caller; anything else is somebody's poison, so each command is run alone.
    """

    def __init__(
        self, run: Callable[[Sequence[Command]], Awaitable[Sequence[Answer | Exception]]], *, limit: int = 128
    ) -> None:
        self._run = run
        self._limit = limit
        self._waiting: deque[tuple[Command, asyncio.Future[Answer]]] = deque()
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, command: Command) -> Answer:
        """Have a command committed and return its answer. Raises what `run` raised or returned for it."""
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="group-commit")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        self._wake.set()
        return await answer

    async def close(self) -> None:
        """End the worker. What still waits is refused."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting.clear()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
                # A caller who has gone away before his command began wants nothing any more.
                await self._commit([one for one in batch if not one[1].done()])

    async def _commit(self, batch: list[tuple[Command, asyncio.Future[Answer]]]) -> None:
        if not batch:
            return
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._run([command for command, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is handed to the callers
            if len(batch) > 1 and not is_transient(error):
                for one in batch:
                    await self._commit([one])
                return
            answers = [error] * len(batch)
        except asyncio.CancelledError:
            for _, waiter in batch:
                waiter.cancel()
            raise
        for (_, waiter), answer in zip(batch, answers, strict=True):
            if waiter.done():
                continue
            if isinstance(answer, Exception):
                waiter.set_exception(answer)
            else:
                waiter.set_result(answer)
