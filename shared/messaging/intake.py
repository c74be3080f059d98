"""The intake: takes messages in the order of their delivery, has them applied in batches, and acknowledges a batch at once.

A fault closes the channel and acknowledges nothing: the broker then delivers all that was not acknowledged again, in order,
before anything newer. A mere cancel would let the next consumer overtake it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

import aiormq
import structlog
from aiormq.abc import DeliveredMessage
from faststream.rabbit import RabbitBroker

from shared import waiting
from shared.messaging.broker import BROKER_FAULTS, open_channel
from shared.messaging.delivery import Delivery

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

log = structlog.get_logger()

Apply = Callable[[Sequence[Delivery]], Awaitable[None]]


class ConsumerLost(ConnectionError):
    """The broker took the consumer away: the queue was deleted, or its leader moved."""


class Intake:
    """Consumes one queue. `apply` makes a batch's effects durable, or raises and has changed nothing."""

    def __init__(
        self, broker: RabbitBroker, queue: str, apply: Apply, *, prefetch: int = 500, batch: int = 500
    ) -> None:
        self._broker = broker
        self._queue = queue
        self._apply = apply
        self._prefetch = prefetch
        self._batch = batch
        self._channel: aiormq.Channel | None = None

    async def run(self) -> None:
        """Consume until cancelled, through every fault of broker and database."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with aclosing(self._batches()) as batches:
                    async for _ in batches:
                        pause = FIRST_PAUSE_SECONDS
            except BROKER_FAULTS as error:
                log.warning("intake_interrupted", queue=self._queue, error=repr(error), retry_in=pause)
            except Exception:
                # Whatever it is, stopping here would be worse: the messages stay, in order, and somebody is told.
                log.exception("intake_failed", queue=self._queue, retry_in=pause)
            await waiting.pause(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def consumers(self) -> int:
        """Ask the broker how many consumers the queue has now. Raises BROKER_FAULTS when there is no channel."""
        if self._channel is None:
            raise ConsumerLost("no channel is open")
        declared = await self._channel.queue_declare(self._queue, passive=True, timeout=5)
        return declared.consumer_count or 0

    async def _batches(self) -> AsyncGenerator[int, None]:
        """Apply and acknowledge batch after batch; yield the size of each."""
        async with open_channel(self._broker) as channel:
            arrived: dict[int, DeliveredMessage] = {}
            wake = asyncio.Event()
            lost = asyncio.Event()

            async def receive(message: DeliveredMessage) -> None:
                arrived[message.delivery_tag or 0] = message
                wake.set()

            def wake_up(*_: object) -> None:
                lost.set()
                wake.set()

            channel.closing.add_done_callback(wake_up)
            channel.on_consumer_cancel_callbacks.add(wake_up)
            await channel.basic_qos(prefetch_count=self._prefetch)
            await channel.basic_consume(self._queue, receive)
            self._channel = channel
            log.info("intake_consuming", queue=self._queue)
            try:
                tag = 0
                while True:
                    await wake.wait()
                    wake.clear()
                    if lost.is_set():
                        raise ConsumerLost(f"the consumer of {self._queue} is gone")
                    # The callbacks are tasks of their own: only a contiguous run of delivery tags is the order of delivery.
                    batch: list[Delivery] = []
                    while len(batch) < self._batch and (message := arrived.pop(tag + 1, None)) is not None:
                        tag += 1
                        batch.append(_delivery(message))
                    if not batch:
                        continue
                    await self._apply(batch)
                    await channel.basic_ack(tag, multiple=True, wait=False)
                    if arrived:
                        wake.set()
                    yield len(batch)
            finally:
                self._channel = None


def _delivery(message: DeliveredMessage) -> Delivery:
    properties = message.header.properties
    return Delivery(
        body=message.body,
        routing_key=message.routing_key or "",
        exchange=message.exchange or "",
        user_id=properties.user_id or None,
        headers=properties.headers or {},
    )
