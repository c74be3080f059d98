"""The relay on a real RabbitMQ and PostgreSQL: nothing is lost, and no number ever changes."""

import asyncio

import aio_pika
import pytest

from shared.messaging.topology import EXCHANGE, hash_exchange, queue_name
from tests.kernel import commit, pool_of, submitted, until
from tests.relaying import all_confirmed, relaying, tapping
from tests.servers import Brokers, Databases

pytestmark = pytest.mark.delivery


async def test_each_tenants_events_arrive_once_in_the_order_of_their_numbers_with_the_stored_bytes(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    async with pool_of(await make_database("request_api"), "request_api") as pool, tapping(broker) as tap:
        before = await commit(pool, [submitted(f"tenant-{number % 3}") for number in range(700)])
        async with relaying(pool, broker):
            after = [
                event
                for _ in range(10)
                for event in await commit(pool, [submitted(f"tenant-{number % 3}") for number in range(70)])
            ]
            await until(lambda: len(tap.events) == 1400)
            await until(lambda: all_confirmed(pool))
        assert {event.raw for event in tap.events} == {event.raw for event in before + after}
        for tenant in ("tenant-0", "tenant-1", "tenant-2"):
            numbers = [event.sequence for event in tap.events if event.tenant == tenant]
            assert numbers == list(range(1, len(numbers) + 1))


async def test_two_relays_at_once_make_duplicates_at_most_and_the_same_numbers(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    async with pool_of(await make_database("request_api"), "request_api") as pool, tapping(broker) as tap:
        events = await commit(pool, [submitted(f"tenant-{number % 4}") for number in range(2000)])
        async with relaying(pool, broker, alone=False), relaying(pool, broker, alone=False):
            events += await commit(pool, [submitted(f"tenant-{number % 4}") for number in range(500)])
            await until(lambda: len({event.id for event in tap.events}) == 2500)
        assert {event.raw for event in tap.events} == {event.raw for event in events}


async def test_a_second_relay_stands_by_and_takes_over(make_database: Databases, make_broker: Brokers) -> None:
    broker = await make_broker()
    async with pool_of(await make_database("request_api"), "request_api") as pool, tapping(broker) as tap:
        async with relaying(pool, broker) as first:
            await until(lambda: first.state == "sending")
            second_running = relaying(pool, broker)
            second = await second_running.__aenter__()
            await until(lambda: second.state == "standby")
        await until(lambda: second.state == "sending")
        await commit(pool, [submitted()])
        await until(lambda: len(tap.events) == 1)
        await second_running.__aexit__(None, None, None)


async def test_what_cannot_be_routed_stays_and_is_sent_when_it_can(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    connection = await aio_pika.connect(broker.admin_url)
    async with connection, pool_of(await make_database("request_api"), "request_api") as pool:
        channel = await connection.channel()
        kind = "lockbox.request.submitted.v1"
        for service in ("approval", "expiry", "notifier", "audit"):
            queue = await channel.get_queue(queue_name(service))
            await queue.unbind(EXCHANGE, kind)
        async with relaying(pool, broker) as relay:
            (event,) = await commit(pool, [submitted()])
            await until(lambda: relay.state.startswith("interrupted"))
            assert await pool.fetchval("SELECT count(*) FROM relay") == 0
            await (await channel.get_queue(queue_name("audit"))).bind(EXCHANGE, kind)
            await until(lambda: all_confirmed(pool))
        audit = await channel.declare_queue(queue_name("audit"), passive=True)
        assert audit.declaration_result.message_count == 1
        assert await pool.fetchval("SELECT body FROM events") == event.raw


async def test_without_the_proof_of_its_topology_a_relay_sends_nothing_and_says_so(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    connection = await aio_pika.connect(broker.admin_url)
    async with connection, pool_of(await make_database("request_api"), "request_api") as pool:
        channel = await connection.channel()
        await channel.exchange_delete(hash_exchange())
        async with tapping(broker) as tap, relaying(pool, broker) as relay:
            await commit(pool, [submitted()])
            await until(lambda: hash_exchange() in relay.state)
            await asyncio.sleep(1)
            assert tap.events == []
            assert await pool.fetchval("SELECT count(*) FROM relay") == 0
            await channel.declare_exchange(hash_exchange(), aio_pika.ExchangeType.FANOUT, durable=True)
            await until(lambda: len(tap.events) == 1)
