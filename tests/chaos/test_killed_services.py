"""Each service killed with -9 in turn while requests go all the way: nothing is lost, nothing happens twice."""

import asyncio

import pytest

from shared.events.catalogue import SERVICES
from tests.chaos.outages import Submissions, everything_accepted_is_in_the_log_once, nothing_died
from tests.servers import PostgresServer, RabbitServer
from tests.system import running_system

pytestmark = pytest.mark.delivery


async def test_requests_go_all_the_way_though_every_service_is_killed_once(
    postgres: PostgresServer, rabbitmq: RabbitServer
) -> None:
    async with running_system(postgres, rabbitmq, virtual_host="chaos-killed") as system:
        eve = await system.person("eve@provider.example")
        max_ = await system.person("max@provider.example")
        dpo = await system.person("dpo@contoso.example")
        submissions = Submissions()
        for service in SERVICES:
            going = asyncio.create_task(submissions.go_on(eve))
            await asyncio.sleep(0.3)
            await system.kill(service)
            await asyncio.sleep(0.3)
            await system.start(service)
            await system.ready(service)
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
        await everything_accepted_is_in_the_log_once(system, submissions)

        request = submissions.accepted[0]
        await max_.awaits("approval", request, "awaiting_provider")
        await max_.does("approval", "POST", f"/v1/requests/{request}/provider-approve", {})
        await system.kill("approval")
        await system.start("approval")
        await system.ready("approval")
        await dpo.does("approval", "POST", f"/v1/requests/{request}/approve", {})
        await eve.awaits("request_api", request, "approved")
        granted = await eve.does("request_api", "POST", f"/v1/requests/{request}/token", {})
        assert granted["token"]
        await nothing_died(system)
        for person in (eve, max_, dpo):
            await person.close()
