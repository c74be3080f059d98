"""PostgreSQL stopped for ten seconds in the middle of submissions."""

import asyncio

import pytest

from deploy.local.postgres import Postgres
from tests.chaos.outages import Submissions, everything_accepted_is_in_the_log_once, nothing_died, stop_gently
from tests.servers import RabbitServer
from tests.system import running_system

pytestmark = pytest.mark.delivery

OUTAGE_SECONDS = 10


async def test_nothing_is_lost_or_dead_though_the_database_was_stopped_for_ten_seconds(
    own_postgres: Postgres, rabbitmq: RabbitServer
) -> None:
    async with running_system(own_postgres, rabbitmq, virtual_host="chaos-database") as system:
        eve = await system.person("eve@provider.example")
        max_ = await system.person("max@provider.example")
        submissions = Submissions()
        going = asyncio.create_task(submissions.go_on(eve))
        await asyncio.sleep(1)
        await own_postgres.stop()
        before = len(submissions.accepted)
        await asyncio.sleep(OUTAGE_SECONDS)
        assert len(submissions.accepted) <= before + 1
        await own_postgres.start()
        await asyncio.sleep(3)
        await stop_gently(going)

        assert submissions.refused
        for answer in submissions.refused:
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
            assert "retry-after" in answer.headers
        assert len(submissions.accepted) > before
        await everything_accepted_is_in_the_log_once(system, submissions)
        await nothing_died(system)
        await system.ready()
        await max_.awaits("approval", submissions.accepted[-1], "awaiting_provider")
        for person in (eve, max_):
            await person.close()
