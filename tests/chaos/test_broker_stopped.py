"""RabbitMQ stopped for ten seconds in the middle of submissions."""

import asyncio

import pytest

from deploy.local.rabbitmq import RabbitMQ
from tests.chaos.outages import Submissions, everything_accepted_is_in_the_log_once, nothing_died, stop_gently
from tests.servers import PostgresServer
from tests.system import running_system

pytestmark = pytest.mark.delivery

OUTAGE_SECONDS = 10


async def test_every_accepted_request_is_in_the_log_once_though_the_broker_was_stopped_for_ten_seconds(
    postgres: PostgresServer, own_rabbitmq: RabbitMQ
) -> None:
    async with running_system(postgres, own_rabbitmq, virtual_host="chaos-broker") as system:
        eve = await system.person("eve@provider.example")
        max_ = await system.person("max@provider.example")
        submissions = Submissions()
        going = asyncio.create_task(submissions.go_on(eve))
        await asyncio.sleep(1)
        await own_rabbitmq.stop()
        before = len(submissions.accepted)
        await asyncio.sleep(OUTAGE_SECONDS)
        during = len(submissions.accepted) - before
        await own_rabbitmq.start()
        await asyncio.sleep(1)
        await stop_gently(going)

        # The outbox takes submissions without the broker; whoever was refused was told clearly.
        assert during > 0
        assert submissions.broken == 0
        for answer in submissions.refused:
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True), answer.text
        await everything_accepted_is_in_the_log_once(system, submissions)
        await nothing_died(system)
        # And the rest of the way is open again.
        await system.ready()
        await max_.awaits("approval", submissions.accepted[-1], "awaiting_provider")
        for person in (eve, max_):
            await person.close()
