"""A load generator that costs little: HTTP/1.1 over kept-alive connections, requests made beforehand, answers counted."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Answered:
    """`statuses` by number of answers, and each call's seconds."""

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


def post(path: str, body: bytes, *, token: str, host: str = "bench") -> bytes:
    """Write one request."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def drive(port: int, requests: Iterator[bytes], *, connections: int) -> tuple[Answered, float]:
    """Send all requests over so many connections, each waiting for its answer; return the answers and the seconds."""
    answered = Answered()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in requests:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head[9:12])
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            answered.seconds.append(time.perf_counter() - began)
            answered.statuses[status] = answered.statuses.get(status, 0) + 1
        writer.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one())
    return answered, time.perf_counter() - began


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
