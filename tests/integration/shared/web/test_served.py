"""A service under uvicorn: its answers to hostile clients, and its end."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[4]
SERVICE = """
import asyncio, structlog
from contextlib import asynccontextmanager
from shared.observability.logs import configure_logging
from shared.settings import load_settings
from shared.web.answers import answer
from shared.web.app import make_app
from shared.web.bodies import Router
from shared.web.fields import Body
from shared.web.serve import serve

log = structlog.get_logger("example")
router = Router()

class Thing(Body):
    name: str

@router.post("/v1/things", status_code=201)
async def make(thing: Thing):
    return answer({"name": thing.name}, 201)

@router.get("/slow")
async def slow():
    log.info("slow begins")
    await asyncio.sleep(0.5)
    return answer({"done": True})

@router.get("/fault")
async def fault():
    raise RuntimeError("out of luck")

@asynccontextmanager
async def lifespan(app):
    log.info("opened")
    yield
    log.info("closed")

settings = load_settings("expiry")
configure_logging("expiry", settings.log_level)
serve(make_app("expiry", settings, title="An example", routers=[router], lifespan=lifespan), settings)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Served:
    process: asyncio.subprocess.Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def end(self, number: int = signal.SIGTERM) -> tuple[int | None, list[dict[str, object]]]:
        """Stop it; give the exit code and the lines of its log."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        out, _ = await self.process.communicate()
        return self.process.returncode, [json.loads(line) for line in out.splitlines()]


async def start(port: int, more: Mapping[str, str] = {}) -> Served:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCKBOX_")} | {
        "PYTHONPATH": str(ROOT),
        "LOCKBOX_DATABASE_URL": "postgresql://expiry:pw@127.0.0.1:1/expiry",
        "LOCKBOX_AMQP_URL": "amqp://expiry:pw@127.0.0.1:1/lockbox",
        "LOCKBOX_INTERNAL_SECRET": "0123456789abcdef0123456789abcdef",
        "LOCKBOX_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, env={**environment, **more}, stdout=asyncio.subprocess.PIPE
    )
    return Served(process, port)


@asynccontextmanager
async def serving(more: Mapping[str, str] = {}) -> AsyncIterator[Served]:
    served = await start(free_port(), more)
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(20):
            while served.process.returncode is None:
                try:
                    await client.get(f"{served.url}/healthz")
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
                else:
                    break
        yield served
    finally:
        if served.process.returncode is None:
            served.process.kill()
            await served.process.wait()


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def raw(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """Send bytes and read until the server closes or has answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        return int(head.split()[1]), head
    finally:
        writer.close()


async def test_a_chunked_body_that_never_ends_is_cut_off(service: Served) -> None:
    head = (
        b"POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    status, answered = await raw(service.port, head, *([chunk] * 5))
    assert status == 413
    assert b"connection: close" in answered.lower()


async def test_an_announced_body_that_is_too_long_is_refused_before_it_is_sent(service: Served) -> None:
    head = b"POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n"
    status, answered = await raw(service.port, head)
    assert status == 413
    assert b"connection: close" in answered.lower()


@pytest.mark.parametrize(
    "call",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_does_no_harm(service: Served, call: bytes) -> None:
    status, _ = await raw(service.port, call)
    assert 400 <= status < 500
    assert (await raw(service.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200


async def test_bytes_that_are_no_utf_8_are_refused(service: Served) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        headers = {"content-type": "application/json"}
        assert (await client.post("/v1/things", content=b'{"name": "\xff"}', headers=headers)).status_code == 400
        assert (await client.post("/v1/things", content=rb'{"name": "\u0000"}', headers=headers)).status_code == 422
        assert (await client.post("/v1/things", json={"name": "\U0001f512"})).json() == {"name": "\U0001f512"}


async def test_a_fault_is_answered_logged_once_and_under_the_requests_id() -> None:
    async with serving() as served, httpx.AsyncClient(base_url=served.url) as client:
        answered = await client.get("/fault", headers={"X-Request-Id": "r-1"})
        assert (answered.status_code, answered.headers["x-request-id"]) == (500, "r-1")
        _, lines = await served.end()
    faults = [line for line in lines if "exception" in line]
    assert [line["request_id"] for line in faults] == ["r-1"]
    assert "out of luck" in str(faults[0]["exception"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_answers_what_it_began_closes_and_ends_with_0(number: signal.Signals) -> None:
    async with serving({"LOCKBOX_LOG_LEVEL": "debug"}) as served, httpx.AsyncClient(base_url=served.url) as client:
        slow = asyncio.create_task(client.get("/slow"))
        await asyncio.sleep(0.2)
        code, lines = await served.end(number)
        assert (await slow).json() == {"done": True}
    assert code == 0
    events = [line["event"] for line in lines]
    assert events.index("slow begins") < events.index("closed")
    assert {"method": "GET", "path": "/slow", "status": 200}.items() <= next(
        line for line in lines if line.get("path") == "/slow"
    ).items()


async def test_a_port_that_is_taken_ends_the_process_with_1_and_says_so(service: Served) -> None:
    second = await start(service.port)
    out, _ = await second.process.communicate()
    assert second.process.returncode == 1
    assert any(json.loads(line)["event"] == "not started" for line in out.splitlines())
