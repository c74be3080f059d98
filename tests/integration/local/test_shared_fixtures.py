"""What other tests stand on: isolated databases and virtual hosts on the run's own servers."""

from __future__ import annotations

import asyncpg
import httpx

from shared.events.catalogue import SERVICES
from tests.servers import Brokers, Databases


async def test_each_database_is_fresh_and_signed_in_to_as_the_service(make_database: Databases) -> None:
    first, second = await make_database("approval"), await make_database("approval")
    connection = await asyncpg.connect(first)
    try:
        assert await connection.fetchval("SELECT current_user") == "approval"
    finally:
        await connection.close()
    assert first != second


async def test_each_virtual_host_has_every_service_s_queue(make_broker: Brokers) -> None:
    broker = await make_broker()
    async with httpx.AsyncClient(base_url=broker.management_url) as client:
        queues = (await client.get(f"/api/queues/{broker.virtual_host}")).json()
    assert {queue["name"] for queue in queues} == {f"lockbox.in.{service}" for service in SERVICES}
