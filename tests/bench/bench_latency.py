"""From the HTTP answer to the row in the log, at a hundred submissions a second, with all five services at work."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from tests import servers
from tests.bench.load import percentile, post
from tests.system import asks, running_system

RATE = 100
SECONDS = 15
CONNECTIONS = 8
LOOK_SECONDS = 0.002


class _Watcher:
    """Sees leaves as they become visible."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}

    async def watch(self, url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            newest = await connection.prepare(
                "SELECT position, subject, type = 'lockbox.request.submitted.v1' AS wanted FROM leaves WHERE position > $1"
            )
            position = 0
            while True:
                for row in await newest.fetch(position):
                    position = max(position, row["position"])
                    if row["wanted"]:
                        self.seen[row["subject"]] = time.perf_counter()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await connection.close()


async def _submit(port: int, token: str, answered: dict[str, float]) -> None:
    """Submit at the rate, whatever the answers take."""
    began = time.perf_counter()
    numbers = iter(range(RATE * SECONDS))

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            writer.write(post("/v1/requests", json.dumps(asks()).encode(), token=token))
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]))
            answered[json.loads(body)["id"]] = time.perf_counter()
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(one())


async def run(postgres: servers.PostgresServer, rabbitmq: servers.RabbitServer) -> dict[str, Any]:
    async with running_system(postgres, rabbitmq, virtual_host="bench-latency") as system:
        eve = await system.person("eve@provider.example")
        await eve.close()
        watcher, answered = _Watcher(), dict[str, float]()
        watching = asyncio.create_task(watcher.watch(system.databases["audit"]))
        await _submit(urlsplit(system.urls["request_api"]).port or 0, eve.token, answered)
        async with asyncio.timeout(30):
            while not set(answered) <= set(watcher.seen):  # noqa: ASYNC110 - what is awaited is in a database
                await asyncio.sleep(0.05)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    # The log can be there before the answer is.
    waits = [max(0.0, watcher.seen[request] - at) for request, at in answered.items()]
    milliseconds = {f"p{round(share * 100)}": percentile(waits, share) * 1000 for share in (0.5, 0.99)}
    return {
        "name": f"answer to log at {RATE} submissions a second, p99 in ms",
        "ours": milliseconds["p99"],
        "limit": None,
        "ratio": None,
        "aim": "under 100 ms",
        "limit_is": f"p50 {milliseconds['p50']:.1f} ms",
    }


async def main() -> None:
    async with servers.any_postgres() as postgres, servers.any_rabbitmq() as rabbitmq:
        print(await run(postgres, rabbitmq))


if __name__ == "__main__":
    asyncio.run(main())
