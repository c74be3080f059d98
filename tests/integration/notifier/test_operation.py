"""What an operator, and a supervisor, ask of a running instance."""

import httpx

from services.notifier.app import build
from shared.demo import TENANTS, everybody
from shared.settings import Settings
from tests.integration.notifier.running import SECRET
from tests.kernel import until
from tests.servers import Brokers, Databases
from tests.story import member, member_added, registered, role_assigned, speaking


async def test_with_the_demo_it_is_ready_once_everybody_and_both_tenants_have_arrived(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    app = build(
        Settings(database_url=url, amqp_url=broker.urls["notifier"], internal_secret=SECRET, demo=True, port=8003)
    )
    async with (
        speaking(broker) as voices,
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notifier") as client,
    ):

        async def checks() -> dict[str, str]:
            found: dict[str, str] = (await client.get("/readyz")).json()["checks"]
            return found

        async def only_the_demo_is_missing() -> bool:
            return {name for name, outcome in (await checks()).items() if outcome != "ok"} == {"demo"}

        await until(only_the_demo_is_missing)
        assert (await checks())["demo"].startswith("not here yet: contoso, fabrikam, eve@provider.example")
        people = [(realm, member(person.email), person.roles) for realm, person in everybody()]
        await voices.say(*(registered(tenant) for tenant in TENANTS))
        await voices.say(*(member_added(person, realm) for realm, person, _ in people))
        await voices.say(*(role_assigned(person, role, realm) for realm, person, roles in people for role in roles))

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready)
        assert (await client.get("/healthz")).status_code == 200
        assert "lockbox_mails_total" in (await client.get("/metrics")).text
