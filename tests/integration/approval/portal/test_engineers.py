"""An engineer's pages: his answers and withdrawals go to the provider's own service, with his token and the form's key."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.portal.test_live import served
from tests.integration.approval.system import Approval

EVE, DPO = "eve@provider.example", "dpo@contoso.example"


def stand_in(heard: list[dict[str, Any]], answer: Response) -> FastAPI:
    """Make a service that notes what it is asked, and gives one answer."""
    app = FastAPI()
    app.state.stopping = asyncio.Event()

    @app.post("/{path:path}")
    async def any_call(path: str, request: Request) -> Response:
        heard.append({"path": f"/{path}", "headers": dict(request.headers), "body": await request.body()})
        return answer

    return app


@contextmanager
def at(approval: Approval, address: str) -> Iterator[None]:
    """Have the provider's service stand at an address."""
    parts = approval.app.state.parts
    settings = approval.settings.model_copy(update={"request_api_url": address})
    approval.app.state.parts = replace(parts, settings=settings)
    try:
        yield
    finally:
        approval.app.state.parts = parts


async def asked(approval: Approval) -> str:
    request_id = await approval.passed_on()
    await approval.done(DPO, f"/v1/requests/{request_id}/questions", {"text": "Why?"})
    return request_id


@pytest.mark.parametrize(("verb", "called"), [("answer", "answers"), ("withdraw", "withdraw")])
async def test_what_an_engineer_does_goes_to_the_providers_service_once(
    approval: Approval, verb: str, called: str
) -> None:
    request_id = await asked(approval)
    heard: list[dict[str, Any]] = []
    browser = await Browser(approval).as_(EVE)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/{verb}")
    async with served(stand_in(heard, JSONResponse({"id": request_id}))) as address:
        with at(approval, address):
            done = await browser.send(form, text="Because.") if verb == "answer" else await browser.send(form)
    assert (done.status_code, done.headers["location"]) == (303, f"/requests/{request_id}?done={verb}")
    (call,) = heard
    assert call["path"] == f"/v1/requests/{request_id}/{called}"
    assert call["headers"]["authorization"].startswith("Bearer ey")
    assert call["headers"]["idempotency-key"] == form.value("key")
    assert (b"Because." in call["body"]) == (verb == "answer")


async def test_a_refusal_of_the_providers_service_is_told_and_the_answer_kept(approval: Approval) -> None:
    request_id = await asked(approval)
    browser = await Browser(approval).as_(EVE)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/answer")
    late = JSONResponse({"code": "decision_window_closed", "status": 409, "detail": "Too late."}, 409)
    async with served(stand_in([], late)) as address:
        with at(approval, address):
            page = await browser.send(form, text="Because of that.")
    assert page.status_code == 409
    assert "The time to decide is over" in text_of(page)
    assert "Because of that." in page.text
    assert (await browser.send(form, text="")).status_code == 422


async def test_a_service_that_does_not_answer_loses_no_answer(approval: Approval) -> None:
    request_id = await asked(approval)
    browser = await Browser(approval).as_(EVE)
    form = form_to(await browser.open(f"/requests/{request_id}"), f"/requests/{request_id}/answer")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with at(approval, f"http://127.0.0.1:{closed.getsockname()[1]}"):
            page = await browser.send(form, text="Because of that.")
    assert page.status_code == 503
    assert "does not answer at the moment" in text_of(page)
    assert "Because of that." in page.text
    async with served(stand_in([], Response("<h1>Bad gateway</h1>", 502))) as address:
        with at(approval, address):
            assert (await browser.send(form, text="Because of that.")).status_code == 503
