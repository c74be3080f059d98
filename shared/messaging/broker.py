"""A service's link to RabbitMQ. FastStream's broker keeps the connection; channels are plain and never restored behind our back.

A robust channel would consume again by itself after a fault, ahead of what was not acknowledged: here whoever uses a channel
opens the next one, and so knows where it starts.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import aiormq
from faststream.rabbit import RabbitBroker

RECONNECT_SECONDS = 0.5
OPEN_SECONDS = 10.0
HEARTBEAT_SECONDS = 10

# What ends a channel or a connection and passes by itself.
BROKER_FAULTS: tuple[type[BaseException], ...] = (aiormq.exceptions.AMQPError, OSError, TimeoutError)


def make_broker(url: str, *, service: str, purpose: str) -> RabbitBroker:
    """Describe one connection. `purpose` (`relay`, `intake`) is shown in RabbitMQ's management.

    Publishing and consuming have a connection each: a broker that is short of memory or disk stops reading from those that
    publish, and acknowledgements must still get through.
    """
    return RabbitBroker(
        url,
        logger=None,
        reconnect_interval=RECONNECT_SECONDS,
        fail_fast=False,
        app_id=f"{service}.{purpose}",
        client_properties={"heartbeat": HEARTBEAT_SECONDS},
    )


@asynccontextmanager
async def open_channel(broker: RabbitBroker, *, confirms: bool = False) -> AsyncIterator[aiormq.Channel]:
    """Open a channel on the broker's connection, waiting until there is one; close it at the end of the block.

    With `confirms` a publication waits for the broker's word and raises when it was refused or could not be routed.
    Raises BROKER_FAULTS.
    """
    connection = await broker.connect()
    await connection.ready()
    channel = aio_pika.Channel(connection, publisher_confirms=confirms, on_return_raises=confirms)
    await channel.initialize(timeout=OPEN_SECONDS)
    try:
        underlying = await channel.get_underlay_channel()
        assert isinstance(underlying, aiormq.Channel)
        yield underlying
    finally:
        # A close that fails has closed; an error from here would take the place of what ended the block, a stop for one.
        with contextlib.suppress(Exception):
            await channel.close()
