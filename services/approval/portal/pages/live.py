"""News for open pages, as Server-Sent Events: only that something changed, so that the page reads itself anew."""

from collections.abc import AsyncIterator
from typing import Final

from fastapi import Response
from fastapi.responses import StreamingResponse

from services.approval.portal.page import HEADERS, Page, SignedInPage
from services.approval.portal.routing import PageRouter
from services.approval.portal.watching import Stream, Watch, watch_of
from shared.waiting import pause, woken
from shared.web.problems import Problem, unavailable

router = PageRouter()

# Proxies end connections on which nothing is said for a minute.
_HEARTBEAT_SECONDS: Final = 15.0
# Much news at once is one look at the page.
_GATHER_SECONDS: Final = 0.2
_HEADERS: Final = {**HEADERS, "X-Accel-Buffering": "no"}


@router.get("/live")
async def live(page: SignedInPage) -> Response:
    watch = watch_of(page.request.app, page.parts.settings)
    if watch.full:
        raise unavailable("Too many pages are open: reload to see what is new.", retry_after=60)
    return StreamingResponse(_events(page, watch), headers=_HEADERS, media_type="text/event-stream")


async def _events(page: Page, watch: Watch) -> AsyncIterator[str]:
    async with watch.stream(page.known["id"], page.known["session"]["id"]) as stream:
        yield "retry: 3000\n\n"
        while True:
            await woken(stream.wake, _HEARTBEAT_SECONDS)
            if stream.wake.is_set() and not stream.ended:
                await pause(_GATHER_SECONDS)
            if stream.ended:
                yield "event: bye\ndata: {}\n\n"
                return
            if not stream.wake.is_set():
                yield ": still here\n\n"
            elif await _concerns(page, stream):
                yield "event: changed\ndata: {}\n\n"


async def _concerns(page: Page, stream: Stream) -> bool:
    """Say whether something of the news is to be seen by the visitor, as he is known now."""
    heard, missed = frozenset(stream.news), stream.missed
    stream.news.clear()
    stream.missed = False
    stream.wake.clear()
    try:
        me = await page.api.get("/v1/me")
    except Problem:
        # Whether his session counts is found out by the watch, which ends the stream.
        return False
    return missed or any(one.concerns(me) for one in heard)
