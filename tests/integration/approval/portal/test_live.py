"""News for open pages, over HTTP as browsers get them: of what one may see, after its commit, until the session ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from services.approval.portal import watching
from services.approval.portal.cookies import SESSION
from tests.integration.approval.system import Approval

DPO, ADMIN, OTHER, USER = "dpo@contoso.example", "admin@contoso.example", "dpo@fabrikam.example", "user@contoso.example"
EVE, ERIN, MAX, OTTO = (f"{name}@provider.example" for name in ("eve", "erin", "max", "otto"))


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an app on a port of its own, without its lifespan."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[taken]))
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            app.state.stopping.set()
            server.should_exit = True
            await task
            app.state.stopping.clear()


class Listener:
    """An open page of somebody's: what it was told, in order."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> str:
        """Wait for the next event's name; a stream that ends says `end`."""
        async with asyncio.timeout(20):
            async for line in self._lines:
                if line.startswith("event: "):
                    return line.removeprefix("event: ")
        return "end"


@pytest.fixture(scope="module")
async def base(approval: Approval) -> AsyncIterator[str]:
    async with served(approval.app) as address:
        yield address


@asynccontextmanager
async def page_of(base: str, token: str) -> AsyncIterator[Listener]:
    async with (
        httpx.AsyncClient(base_url=base, cookies={SESSION: token}, timeout=30) as http,
        http.stream("GET", "/live") as response,
    ):
        assert response.status_code == 200, response.status_code
        assert response.headers["content-type"].startswith("text/event-stream")
        listener = Listener(response)
        # The first word comes once the connection listens: what happens from here on is heard.
        assert await listener.next() == "changed"
        yield listener


async def test_a_new_request_and_a_decision_are_told_to_those_who_see_them(approval: Approval, base: str) -> None:
    async with (
        page_of(base, await approval.new_token(DPO)) as page,
        page_of(base, await approval.new_token(EVE)) as eve,
    ):
        request_id = await approval.passed_on()
        assert await page.next() == "changed"
        assert await eve.next() == "changed"
        await approval.done(ADMIN, f"/v1/requests/{request_id}/approve")
        assert await page.next() == "changed"


async def test_nobody_hears_of_what_he_does_not_see(approval: Approval, base: str) -> None:
    tokens = [await approval.new_token(who) for who in (OTHER, ERIN, USER, OTTO)]
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(page_of(base, token)) for token in tokens]
        early = await approval.new_token(DPO)
        customer = await stack.enter_async_context(page_of(base, early))
        # A customer hears of a request only once the provider has approved it.
        request_id = await approval.submitted()
        await end(approval, early)
        assert await customer.next() == "bye"
        await approval.done(MAX, f"/v1/requests/{request_id}/provider-approve")
        for token in tokens:
            await end(approval, token)
        assert [await page.next() for page in pages] == ["bye"] * 4


async def test_the_end_of_a_session_ends_its_pages(approval: Approval, base: str) -> None:
    token = await approval.new_token(DPO)
    async with page_of(base, token) as page, page_of(base, await approval.new_token(DPO)) as other:
        await end(approval, token)
        assert await page.next() == "bye"
        assert await page.next() == "end"
        await approval.passed_on()
        assert await other.next() == "changed"


async def test_of_too_many_pages_of_one_person_the_oldest_is_let_go(approval: Approval, base: str) -> None:
    token = await approval.new_token(ADMIN)
    async with page_of(base, token) as first:
        others = [page_of(base, token) for _ in range(watching.MOST_PAGES)]
        opened = [await one.__aenter__() for one in others]
        try:
            assert await first.next() == "bye"
            await approval.passed_on()
            assert await opened[-1].next() == "changed"
        finally:
            for one in others:
                await one.__aexit__(None, None, None)


async def test_without_a_session_there_is_no_news(base: str) -> None:
    async with httpx.AsyncClient(base_url=base) as http:
        assert (await http.get("/live")).status_code == 303


async def test_a_lost_connection_to_the_database_is_made_up_for(approval: Approval, base: str) -> None:
    async with page_of(base, await approval.new_token(DPO)) as page:
        await approval.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%requests_changed%'"
            " OR query LIKE '%s.ended_at IS NULL AND s.expires_at%' AND pid <> pg_backend_pid()"
        )
        assert await page.next() == "changed"


async def end(approval: Approval, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    response = await approval.http.delete("/v1/sessions/current", headers=headers)
    assert response.status_code == 204, response.text
