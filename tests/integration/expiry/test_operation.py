"""What an operator asks of a running instance."""

from datetime import timedelta

import httpx

from services.expiry.app import build
from shared.settings import Settings
from tests.integration.expiry.running import SECRET
from tests.kernel import until
from tests.servers import Brokers, Databases
from tests.story import Life, speaking


async def test_it_says_that_it_lives_that_it_is_ready_and_how_many_timers_fired(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    app = build(Settings(database_url=url, amqp_url=broker.urls["expiry"], internal_secret=SECRET))
    async with (
        speaking(broker) as voices,
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://expiry") as client,
    ):
        assert (await client.get("/healthz")).status_code == 200

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready)
        await voices.say(Life(window=timedelta(hours=-1)).submitted())

        async def counted() -> bool:
            return 'lockbox_timers_fired_total{kind="decision_window"}' in (await client.get("/metrics")).text

        await until(counted)
        assert (await client.get("/internal/dead-letters")).status_code == 401
        listed = await client.get("/internal/dead-letters", headers={"Authorization": f"Bearer {SECRET}"})
        assert listed.json() == {"dead_letters": [], "quarantine": []}
