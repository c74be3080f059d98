"""Who watches: one connection listens for word of changed requests, and every open page that it concerns is told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from fastapi import FastAPI

from services.approval.parts import SERVICE
from services.approval.store import news
from shared.database.faults import TRANSIENT
from shared.database.pool import Pool, listening, open_pool
from shared.events.envelope import PROVIDER
from shared.settings import Settings
from shared.waiting import pause

# How soon an ended session's pages are let go.
TICK_SECONDS: Final = 2.0
# Browsers open few connections to one host, and nobody looks at many pages at once.
MOST_PAGES: Final = 6
MOST_STREAMS: Final = 1000
_OVERSEERS: Final = frozenset({"manager", "auditor"})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class News:
    """A request has changed: `shown` says whether its customer sees it."""

    tenant: str
    engineer: str
    shown: bool

    def concerns(self, me: Mapping[str, Any]) -> bool:
        """Say whether somebody, as the API describes him, sees the request."""
        roles = frozenset(me["roles"])
        if me["realm"] != PROVIDER:
            return self.shown and me["realm"] == self.tenant and bool(roles)
        return bool(roles & _OVERSEERS) or ("engineer" in roles and me["id"] == self.engineer)


@dataclass(eq=False, slots=True)
class Stream:
    """One open page. `news` is what it has not been told yet: a set, so that much news at once stays small."""

    person: str
    session: str
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    news: set[News] = field(default_factory=set)
    missed: bool = False
    ended: bool = False

    def tell(self, what: News | None) -> None:
        """Note news; None means that something may have been missed."""
        if what is None:
            self.missed = True
        else:
            self.news.add(what)
        self.wake.set()

    def end(self) -> None:
        """Have it close: its session has ended, or it is one too many."""
        self.ended = True
        self.wake.set()


class Watch:
    """All open pages of a process. While there are any, it holds a connection of its own, beside the service's pool."""

    def __init__(self, database_url: str, stopping: asyncio.Event) -> None:
        self._database_url = database_url
        self._stopping = stopping
        # In the order in which they were opened.
        self._streams: dict[Stream, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._hears = False

    @property
    def full(self) -> bool:
        """Say whether no further page can be told of news: it has to be reloaded instead."""
        return len(self._streams) >= MOST_STREAMS

    @asynccontextmanager
    async def stream(self, person: str, session: str) -> AsyncIterator[Stream]:
        """Watch for the length of the block. Somebody's oldest page is let go where he has too many."""
        own = [one for one in self._streams if one.person == person and not one.ended]
        if len(own) >= MOST_PAGES:
            # The page that was opened last is the one that is looked at.
            own[0].end()
        stream = Stream(person, session)
        self._streams[stream] = None
        if self._hears:
            # What happened since the page was made has not been heard for it.
            stream.tell(None)
        elif self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="portal-watch")
        try:
            yield stream
        finally:
            self._streams.pop(stream, None)

    async def _listen(self) -> None:
        while self._streams and not self._stopping.is_set():
            try:
                pool = await open_pool(self._database_url, service=SERVICE, size=1)
                try:
                    await self._follow(pool)
                finally:
                    pool.terminate()
            except TRANSIENT as error:
                log.warning("watching_interrupted", error=repr(error))
                self._hears = False
                await pause(1)
        self._hears = False
        for stream in list(self._streams):
            stream.end()

    async def _follow(self, pool: Pool) -> None:
        async with listening(pool, news.CHANNEL, self._heard) as connection:
            self._hears = True
            for stream in list(self._streams):
                stream.tell(None)
            while self._streams and not self._stopping.is_set():
                await _until(self._stopping, TICK_SECONDS)
                asked = {stream.session for stream in self._streams}
                living = await news.living(connection, sorted(asked))
                for stream in list(self._streams):
                    if stream.session in asked - living:
                        stream.end()

    def _heard(self, _: object, __: int, ___: str, said: str) -> None:
        seen, tenant, engineer = said.split(" ")
        heard = News(tenant, engineer, seen == "shown")
        for stream in list(self._streams):
            stream.tell(heard)


async def _until(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def watch_of(app: FastAPI, settings: Settings) -> Watch:
    """Give the process's watch; the first page that is opened makes it."""
    watch: Watch | None = getattr(app.state, "watch", None)
    if watch is None:
        watch = app.state.watch = Watch(settings.database_url.get_secret_value(), app.state.stopping)
    return watch
