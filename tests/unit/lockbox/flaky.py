"""A real HTTP server on loopback that answers as it is told, drops connections or keeps silent, and counts what it got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from lockbox import Addresses, AsyncClient, Client, Policy

ID = "0193f2a0-0000-7000-8000-000000000000"
# Long enough for a busy machine; what is about waits says so.
POLICY = Policy(timeout=10, total=20, first_pause=0.001, longest_pause=0.002)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] | None = None
    """Sent as they are, one after the other; then the connection ends."""

    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n"

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Got:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Flaky:
    """`answers` are given one by one; the last one again and again."""

    def __init__(self, answers: list[Answer | Literal["drop", "silence"]]) -> None:
        self.answers = answers
        self.got: list[Got] = []
        self.url = ""

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.url, self.url, self.url)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.got.append(Got(method, path, headers, body))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == "drop":
                    break
                if isinstance(answer, str):
                    await reader.read()
                    break
                if answer.chunks is None:
                    content = answer.content()
                    writer.write(answer.head() + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
                    await writer.drain()
                    continue
                writer.write(answer.head() + b"Connection: close\r\n\r\n")
                for chunk in answer.chunks:
                    writer.write(chunk)
                    await writer.drain()
                    await asyncio.sleep(0)
                break
        writer.close()


@asynccontextmanager
async def flaky(*answers: Answer | Literal["drop", "silence"]) -> AsyncIterator[Flaky]:
    made = Flaky(list(answers))
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


Kind = Literal["blocking", "awaiting"]
KINDS: tuple[Kind, ...] = ("blocking", "awaiting")


async def does(
    kind: Kind,
    server: Flaky,
    what: Callable[[Any], Any],
    *,
    policy: Policy = POLICY,
    token: str | None = "the-session's-token",
) -> Any:
    """Do the same with either client, and return what it returns."""
    if kind == "awaiting":
        async with AsyncClient(server.addresses, token=token, policy=policy) as client:
            return await what(client)

    def in_a_thread() -> Any:
        with Client(server.addresses, token=token, policy=policy) as client:
            return what(client)

    return await asyncio.to_thread(in_a_thread)


async def taken(kind: Kind, server: Flaky, what: Callable[[Any], Any], number: int) -> list[Any]:
    """Take so many of what either client lists or follows, at most."""

    async def awaited(client: Any) -> list[Any]:
        found = []
        async for one in what(client):
            found.append(one)
            if len(found) == number:
                break
        return found

    def here(client: Any) -> list[Any]:
        return list(islice(what(client), number))

    found: list[Any] = await does(kind, server, awaited if kind == "awaiting" else here)
    return found


def request(**changes: Any) -> dict[str, Any]:
    """Return a request as a service shows it."""
    return {
        "id": ID,
        "state": "awaiting_customer",
        "ended_by": None,
        "tenant": "contoso",
        "service": "exchange-online",
        "ticket": "T-1",
        "reason": {"category": "customer_support", "detail": "It does not open."},
        "resources": [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}],
        "duration": "PT1H30M",
        "starts_at": None,
        "engineer": {"id": ID, "email": "eve@provider.example", "name": "Eve"},
        "submitted_at": "2026-11-25T10:00:00.123456Z",
        "decide_by": "2026-11-25T22:00:00Z",
        "decisions": [],
        "thread": [],
        "grant": None,
        "request_digest": "0" * 64,
        "approvals_required": 1,
    } | changes


def problem(status: int, code: str, **members: Any) -> Answer:
    """Return an error as a service answers it."""
    headers = {"Content-Type": "application/problem+json", "X-Request-Id": "r-1"}
    retry_after = members.pop("retry_after", None)
    headers |= {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"type": "about:blank", "title": "No", "status": status, "code": code, "detail": "Not so."}
    return Answer(status, body | members, headers)
