"""Durable submissions a second through HTTP, beside single-row commits of the same bytes on one connection."""

import asyncio
import json
import signal
import time
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from shared.database.outbox import append
from shared.database.pool import clock, open_pool, transaction
from shared.events.envelope import Draft, service_actor
from shared.events.tenants import TenantRegistered
from shared.events.values import Settings
from tests import servers
from tests.bench.load import drive, post
from tests.system import System, asks, running_system

SUBMISSIONS = 12_000
CONNECTIONS = 64
TENANTS = 16
LIMIT_ROWS = 4_000


async def register_tenants(system: System) -> list[str]:
    """Have approval's outbox say that there are as many tenants; wait until request_api knows."""
    names = [f"bench-{number}" for number in range(TENANTS)]
    settings = Settings(enabled=True, services=["exchange-online"])
    pool = await open_pool(system.databases["approval"], service="approval")
    async with transaction(pool) as connection:
        drafts = [
            Draft(
                TenantRegistered(tenant=name, name=name, entitled=True, settings=settings, settings_version=1),
                name,
                name,
                service_actor("approval"),
                revision=1,
            )
            for name in names
        ]
        await append(connection, "approval", drafts, now=await clock(connection))
    await pool.close()
    eve = await system.person("eve@provider.example")
    for name in names:
        for _ in range(200):
            if (await eve.call("request_api", "POST", "/v1/requests", asks(name))).status_code == 201:
                break
            await asyncio.sleep(0.1)
    await eve.close()
    return names


async def limit(url: str, body: bytes) -> float:
    """Commit one row of the same bytes after the other on one connection."""
    connection = await asyncpg.connect(url)
    try:
        insert = await connection.prepare(
            "INSERT INTO events (tenant, sequence, id, type, subject, time, body) "
            "VALUES ('limit', $1, gen_random_uuid(), 't', 's', clock_timestamp(), $2)"
        )
        began = time.perf_counter()
        for number in range(1, LIMIT_ROWS + 1):
            await insert.fetch(number, body)
        return LIMIT_ROWS / (time.perf_counter() - began)
    finally:
        await connection.execute("DELETE FROM events WHERE tenant = 'limit'")
        await connection.close()


async def run(postgres: servers.PostgresServer, rabbitmq: servers.RabbitServer) -> list[dict[str, Any]]:
    async with running_system(postgres, rabbitmq, virtual_host="bench-submissions") as system:
        names = await register_tenants(system)
        eve = await system.person("eve@provider.example")
        await eve.close()
        port = urlsplit(system.urls["request_api"]).port or 0

        async def measure(count: int) -> float:
            requests = iter(
                [
                    post("/v1/requests", json.dumps(asks(names[number % TENANTS])).encode(), token=eve.token)
                    for number in range(count)
                ]
            )
            answered, seconds = await drive(port, requests, connections=CONNECTIONS)
            assert answered.statuses == {201: count}, answered.statuses
            return count / seconds

        await measure(1_000)
        whole = await measure(SUBMISSIONS // 2)
        connection = await asyncpg.connect(system.databases["request_api"])
        body: bytes = await connection.fetchval("SELECT body FROM events ORDER BY time DESC LIMIT 1")
        await connection.close()
        for service in ("approval", "audit", "expiry", "notifier"):
            await system.kill(service, signal.SIGTERM)
        limits = [await limit(system.databases["request_api"], body)]
        alone = await measure(SUBMISSIONS)
        limits.append(await limit(system.databases["request_api"], body))
        bare = sum(limits) / len(limits)
    common = {"limit": bare, "limit_is": f"single-row commits of the same {len(body)} bytes, one connection"}
    return [
        {"name": "submissions through HTTP, a second", "ours": alone, "ratio": alone / bare, "aim": 0.5, **common},
        {
            "name": "the same while all five services work on this machine",
            "ours": whole,
            "ratio": whole / bare,
            "aim": None,
            **common,
        },
    ]


async def main() -> None:
    async with servers.any_postgres() as postgres, servers.any_rabbitmq() as rabbitmq:
        print(await run(postgres, rabbitmq))


if __name__ == "__main__":
    asyncio.run(main())
