"""Parts that a test plays: an app served over HTTP, and a service of which only the outbox and the relay run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI

from shared.database.outbox import append
from shared.database.pool import Pool, clock, open_pool, transaction
from shared.events.envelope import Draft, Event
from shared.messaging.broker import make_broker
from shared.messaging.relay import Relay
from shared.web.serve import KEEP_ALIVE_SECONDS
from tests.kernel import until


@asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncIterator[str]:
    """Serve an app over HTTP for the length of the block; give its address."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    # Not `serve`, which would take the test run's own signals.
    task = asyncio.create_task(server._serve())
    try:
        await until(lambda: server.started or task.done())
        if task.done():
            task.result()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


class Publisher:
    """A service that a test plays: its outbox and its relay, which can be stopped."""

    def __init__(self, service: str, pool: Pool, amqp_url: str) -> None:
        self.service = service
        self.pool = pool
        self._amqp_url = amqp_url

    async def commit(self, *drafts: Draft) -> list[Event]:
        async with transaction(self.pool) as connection:
            return await append(connection, self.service, drafts, now=await clock(connection))

    async def start(self) -> None:
        self._link = make_broker(self._amqp_url, service=self.service, purpose="relay")
        self._task = asyncio.create_task(Relay(self.pool, self._link, self.service).run())

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._link.stop()


@asynccontextmanager
async def publishing(service: str, database_url: str, amqp_url: str) -> AsyncIterator[Publisher]:
    """Play a service's part as a publisher for the length of the block."""
    pool = await open_pool(database_url, service=service)
    publisher = Publisher(service, pool, amqp_url)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()
        await pool.close()
