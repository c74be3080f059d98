"""A mail server that does not answer: the mails wait for it, but not for ever."""

from functools import partial

from shared.mail.tries import Backoff
from tests.integration.notifier.catching import catching
from tests.integration.notifier.running import Contoso, notifying, settled, told
from tests.kernel import until
from tests.servers import Brokers, Databases
from tests.story import Life, speaking

ADMIN, DPO, SOC = "admin@contoso.example", "dpo@contoso.example", "soc@contoso.example"


async def test_a_server_that_is_down_for_a_while_gets_every_mail_when_it_is_back(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    lives = [Life() for _ in range(3)]
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await catcher.stop()
        await voices.say(*Contoso().events())
        for life in lives:
            await voices.say(life.submitted(), life.provider_approved())

        async def tried() -> bool:
            return bool(await service.pool.fetchval("SELECT count(*) = 9 AND min(attempts) > 1 FROM deliveries"))

        await until(tried)
        await catcher.start()
        await until(partial(settled, service.pool, 9))
        assert len(await told(service.pool)) == 9
    assert sorted(mail.recipient for mail in catcher.mails) == [ADMIN] * 3 + [DPO] * 3 + [SOC] * 3


async def test_after_a_bounded_number_of_tries_the_failure_is_on_the_record(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life = Life()
    backoff = Backoff(tries=3, first_seconds=0.02, longest_seconds=0.1)
    async with catching() as catcher:
        await catcher.stop()
        async with speaking(broker) as voices, notifying(url, broker, catcher.url, backoff=backoff) as service:
            await voices.say(*Contoso().events(), life.submitted(), life.provider_approved())
            await until(partial(settled, service.pool, 3))
            events = await told(service.pool)
            attempts = await service.pool.fetch("SELECT attempts FROM deliveries")
    assert [event.type for event in events] == ["lockbox.notification.failed.v1"] * 3
    assert all(event.data.reason.startswith("given up after 3 tries: ") for event in events)
    assert [row["attempts"] for row in attempts] == [3, 3, 3]
    assert catcher.mails == []
