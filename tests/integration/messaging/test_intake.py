"""The intake on a real RabbitMQ: the order of delivery, and what happens when a fault cuts in."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import aio_pika
import pytest

from shared.messaging.broker import BROKER_FAULTS
from shared.messaging.broker import make_broker as make_link
from shared.messaging.delivery import Delivery
from shared.messaging.intake import Apply, Intake
from shared.messaging.topology import EXCHANGE, queue_name
from tests.kernel import until
from tests.proxy import proxied
from tests.servers import Broker, Brokers

pytestmark = pytest.mark.delivery

KEY = "lockbox.request.submitted.v1"


async def send(broker: Broker, numbers: Sequence[int]) -> None:
    connection = await aio_pika.connect(broker.urls["request_api"])
    async with connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        for start in range(0, len(numbers), 400):
            await asyncio.gather(
                *(
                    exchange.publish(aio_pika.Message(b"%d" % number, user_id="request_api"), KEY)
                    for number in numbers[start : start + 400]
                )
            )


@asynccontextmanager
async def taking(broker: Broker, apply: Apply, *, url: str | None = None, **options: int) -> AsyncIterator[Intake]:
    link = make_link(url or broker.urls["approval"], service="approval", purpose="intake")
    intake = Intake(link, queue_name("approval"), apply, **options)
    task = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await link.stop()


async def left_in(broker: Broker) -> int:
    connection = await aio_pika.connect(broker.admin_url)
    async with connection:
        queue = await (await connection.channel()).declare_queue(queue_name("approval"), passive=True)
        return queue.declaration_result.message_count or 0


async def test_twelve_thousand_messages_under_a_prefetch_of_500_come_in_the_order_of_delivery(
    make_broker: Brokers,
) -> None:
    broker = await make_broker()
    seen: list[int] = []

    async def apply(batch: Sequence[Delivery]) -> None:
        await asyncio.sleep(0)
        seen.extend(int(delivery.body) for delivery in batch)

    async with taking(broker, apply, prefetch=500):
        await send(broker, range(12_000))
        await until(lambda: len(seen) >= 12_000)
    assert seen == list(range(12_000))
    assert await left_in(broker) == 0


async def test_after_a_transient_fault_everything_comes_again_in_order_and_nothing_newer_overtakes(
    make_broker: Brokers,
) -> None:
    broker = await make_broker()
    seen: list[int] = []
    faults = iter([3, 5, 1])
    left = next(faults)

    async def apply(batch: Sequence[Delivery]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            left = next(faults, -1)
            raise ConnectionResetError("the database went away")
        seen.extend(int(delivery.body) for delivery in batch)

    async with taking(broker, apply, prefetch=50, batch=20):
        await send(broker, range(1000))
        await until(lambda: len(seen) >= 1000)
    assert seen == list(range(1000))


async def test_stopping_acknowledges_nothing_that_was_not_applied(make_broker: Brokers) -> None:
    broker = await make_broker()
    await send(broker, range(100))
    started = asyncio.Event()

    async def hang(_: Sequence[Delivery]) -> None:
        started.set()
        await asyncio.sleep(60)

    async with taking(broker, hang):
        await asyncio.wait_for(started.wait(), 10)
    seen: list[int] = []

    async def apply(batch: Sequence[Delivery]) -> None:
        seen.extend(int(delivery.body) for delivery in batch)

    async with taking(broker, apply):
        await until(lambda: len(seen) == 100)
    assert seen == list(range(100))


async def test_an_unexpected_error_does_not_end_the_intake(make_broker: Brokers) -> None:
    broker = await make_broker()
    seen: list[int] = []
    failed = False

    async def apply(batch: Sequence[Delivery]) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise ZeroDivisionError
        seen.extend(int(delivery.body) for delivery in batch)

    async with taking(broker, apply):
        await send(broker, range(3))
        await until(lambda: len(seen) == 3)


async def test_readiness_sees_that_the_consumer_is_gone_and_it_comes_back(make_broker: Brokers) -> None:
    broker = await make_broker()
    seen: list[int] = []

    async def apply(batch: Sequence[Delivery]) -> None:
        seen.extend(int(delivery.body) for delivery in batch)

    async with (
        proxied(broker.urls["approval"]) as proxy,
        taking(broker, apply, url=proxy.before(broker.urls["approval"])) as intake,
    ):

        async def consumed() -> bool:
            with suppress(*BROKER_FAULTS):
                return await intake.consumers() == 1
            return False

        async def gone() -> bool:
            return not await consumed()

        await until(consumed)
        proxy.close()
        await until(gone)
        proxy.open()
        await until(consumed)
        await send(broker, range(5))
        await until(lambda: seen == list(range(5)))
