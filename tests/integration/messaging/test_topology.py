"""The topology on a real RabbitMQ: who may do what, and what happens to a message that nobody takes."""

import aio_pika
import aiormq
import pytest

from shared.events.catalogue import SERVICES
from shared.messaging.subscriptions import CONSUMES, routing_keys
from shared.messaging.topology import hash_exchange, provision_broker, queue_name
from tests import servers
from tests.kernel import event_of, publish, submitted

pytestmark = pytest.mark.delivery


async def test_a_second_set_up_changes_nothing(make_broker: servers.Brokers, rabbitmq: servers.RabbitServer) -> None:
    broker = await make_broker()
    urls = await provision_broker(
        rabbitmq.amqp_url, rabbitmq.management_url, servers.PASSWORDS, virtual_host=broker.virtual_host
    )
    assert urls == broker.urls


async def test_every_service_gets_what_it_consumes_and_nothing_else(make_broker: servers.Brokers) -> None:
    broker = await make_broker()
    event = event_of(submitted())
    await publish(broker.urls["request_api"], event.raw, event.type, user_id="request_api")
    connection = await aio_pika.connect(broker.admin_url)
    async with connection:
        channel = await connection.channel()
        counts = {
            service: (await channel.declare_queue(queue_name(service), passive=True)).declaration_result.message_count
            for service in SERVICES
        }
    expected = {service: int(event.type in CONSUMES[service]) for service in SERVICES}
    assert counts == expected


async def test_a_user_publishes_its_own_types_alone_under_its_own_name(make_broker: servers.Brokers) -> None:
    broker = await make_broker()
    event = event_of(submitted())
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await publish(broker.urls["approval"], event.raw, event.type, user_id="approval")
    with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed):
        await publish(broker.urls["request_api"], event.raw, event.type, user_id="approval")
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await publish(broker.urls["request_api"], event.raw, event.type, user_id="request_api", exchange="amq.topic")
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await publish(broker.urls["request_api"], b"{}", "lockbox.control.approval", user_id="request_api")


async def test_a_user_configures_nothing_and_reads_its_own_queue_alone(make_broker: servers.Brokers) -> None:
    broker = await make_broker()
    connection = await aio_pika.connect(broker.urls["expiry"])
    async with connection:
        channel = await connection.channel()
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await channel.declare_queue("mine")
        other = await (await connection.channel()).get_queue(queue_name("approval"), ensure=False)
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await other.consume(_never)
        own = await (await connection.channel()).get_queue(queue_name("expiry"), ensure=False)
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await own.bind("lockbox.events", "lockbox.member.added.v1")


async def _never(_: aio_pika.abc.AbstractIncomingMessage) -> None:
    raise AssertionError("a message of another service was delivered")


async def test_the_proof_of_the_topology_can_be_looked_for_without_any_right(make_broker: servers.Brokers) -> None:
    broker = await make_broker()
    connection = await aio_pika.connect(broker.urls["notifier"])
    async with connection:
        await (await connection.channel()).declare_exchange(hash_exchange(), passive=True)


def test_every_type_that_somebody_consumes_is_in_the_catalogue_and_audit_hears_all() -> None:
    from shared.events.catalogue import CATALOGUE

    for service in SERVICES:
        assert CONSUMES[service] <= set(CATALOGUE)
        assert routing_keys(service) == sorted(routing_keys(service))
    assert set(CATALOGUE) - CONSUMES["audit"] == {"lockbox.log.checkpoint_signed.v1"}
