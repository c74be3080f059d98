"""The private RabbitMQ node: closed to other machines, beside other nodes, and what it confirmed survives its death."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import aio_pika
import httpx
import psutil
import pytest
from aiormq.abc import FieldTable

from deploy.local.process import marked
from deploy.local.rabbitmq import RabbitMQ
from tests.servers import RabbitServer, data_folder

pytestmark = pytest.mark.delivery
QUORUM: FieldTable = {"x-queue-type": "quorum"}


async def put(url: str, body: bytes) -> None:
    """Publish with a confirm into a quorum queue."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.declare_queue("kept", durable=True, arguments=QUORUM)
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")


async def take(url: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).declare_queue("kept", durable=True, arguments=QUORUM)
        async with queue.iterator(timeout=20) as messages:
            async for message in messages:
                await message.ack()
                return message.body
    raise AssertionError


async def test_it_listens_on_the_loopback_alone_and_only_its_administrator_comes_in(own_rabbitmq: RabbitMQ) -> None:
    addresses = {
        connection.laddr.ip
        for process in marked(own_rabbitmq._folder.mark)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses <= {"127.0.0.1", "::1"}
    async with httpx.AsyncClient(base_url=own_rabbitmq.management_url) as client:
        users = [user["name"] for user in (await client.get("/api/users")).json()]
        guest = await client.get("/api/overview", auth=("guest", "guest"))
    assert users == ["admin"]
    assert guest.status_code == httpx.codes.UNAUTHORIZED


async def test_its_secrets_can_be_read_by_its_owner_alone(own_rabbitmq: RabbitMQ) -> None:
    home = own_rabbitmq._home
    assert home is not None
    modes = {name: stat.S_IMODE((home / name).stat().st_mode) for name in (".", ".erlang.cookie", "rabbitmq.conf")}
    assert modes == {".": 0o700, ".erlang.cookie": 0o400, "rabbitmq.conf": 0o600}


async def test_it_runs_beside_another_node(own_rabbitmq: RabbitMQ, rabbitmq: RabbitServer) -> None:
    names = []
    for url in (own_rabbitmq.management_url, rabbitmq.management_url):
        async with httpx.AsyncClient(base_url=url) as client:
            names.append((await client.get("/api/overview")).json()["node"])
    assert len(set(names)) == 2


async def test_a_confirmed_message_survives_a_restart_and_the_addresses_stay(own_rabbitmq: RabbitMQ) -> None:
    url = own_rabbitmq.amqp_url
    await put(url, b"before the restart")
    await own_rabbitmq.restart()
    assert own_rabbitmq.amqp_url == url
    assert await take(url) == b"before the restart"


async def test_a_confirmed_message_survives_a_kill_of_the_node(own_rabbitmq: RabbitMQ) -> None:
    await put(own_rabbitmq.amqp_url, b"before the kill")
    assert own_rabbitmq.pid is not None
    os.kill(own_rabbitmq.pid, signal.SIGKILL)
    assert await own_rabbitmq.wait() == -signal.SIGKILL
    await own_rabbitmq.start()
    assert await take(own_rabbitmq.amqp_url) == b"before the kill"


async def test_stopping_ends_the_port_mapper_and_every_helper_too() -> None:
    root = os.environ.get("LOCKBOX_RABBITMQ_ROOT")
    with data_folder() as folder:
        node = RabbitMQ(folder, print, Path(root) if root else None)
        await node.start()
        assert {process.name() for process in marked(folder.mark)} >= {"epmd", "beam.smp"}
        await node.stop()
        assert marked(folder.mark) == []
        node.remove()
