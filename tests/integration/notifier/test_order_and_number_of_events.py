"""Events that come too early, twice, shuffled or by a replay: each mail is sent once."""

import asyncio
import random
from functools import partial

from shared.messaging.dead_letters import replay
from tests.integration.notifier.catching import Caught, catching
from tests.integration.notifier.running import Contoso, heard, notifying, settled, told
from tests.kernel import until
from tests.servers import Brokers, Databases
from tests.story import (
    Life,
    speaking,
)


async def test_an_approval_that_comes_before_its_submission_waits_for_it(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life, people = Life(), Contoso().events()
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*people, life.provider_approved())
        await until(partial(heard, service.pool, len(people) + 1))
        assert catcher.mails == []
        await voices.say(life.submitted())
        await until(partial(settled, service.pool, 3))
    assert len(catcher.mails) == 3


async def test_a_stream_that_comes_twice_and_shuffled_mails_once(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    lives, people = [Life() for _ in range(4)], Contoso().events()
    stream = [event for life in lives for event in (life.submitted(), life.provider_approved(), life.denied())]
    shuffled = stream * 2
    random.Random(3).shuffle(shuffled)
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*people, *people, *shuffled)
        await until(partial(settled, service.pool, 4 * 6))
        await voices.say(*stream)
        last = Life()
        await voices.say(last.submitted(), last.provider_approved())
        await until(partial(settled, service.pool, 4 * 6 + 3))
        assert len(await told(service.pool)) == 4 * 6 + 3
    assert len(catcher.mails) == 4 * 6 + 3


async def test_a_dead_letter_that_is_replayed_mails_once(make_database: Databases, make_broker: Brokers) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life, people = Life(), Contoso().events()
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*people, life.submitted())
        await until(partial(heard, service.pool, len(people) + 1))
        # A fault that no second try resolves, until somebody repairs it.
        state = await service.pool.fetchval("SELECT state FROM requests")
        await service.pool.execute("UPDATE requests SET state = '{\"digest\": 7}'")
        await voices.say(life.provider_approved())

        async def dead() -> bool:
            return bool(await service.pool.fetchval("SELECT count(*) FROM dead_letters"))

        await until(dead)
        await service.pool.execute("UPDATE requests SET state = $1", state)
        assert service.inbox is not None
        replayed = await replay(service.pool, service.inbox, 1, by="otto@provider.example")
        assert replayed.failed is None
        await until(partial(settled, service.pool, 3))
    assert len(catcher.mails) == 3


async def test_two_instances_that_send_at_once_send_each_mail_once(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    lives = [Life() for _ in range(12)]
    async with (
        speaking(broker) as voices,
        catching() as catcher,
        notifying(url, broker, catcher.url) as one,
        notifying(url, broker, catcher.url),
    ):

        async def slowly(_: Caught) -> None:
            await asyncio.sleep(0.02)

        catcher.taken = slowly
        await voices.say(*Contoso().events())
        await voices.say(*(event for life in lives for event in (life.submitted(), life.provider_approved())))
        await until(partial(settled, one.pool, 36))
        assert len(await told(one.pool)) == 36
    assert len({mail.message["Message-ID"] for mail in catcher.mails}) == len(catcher.mails) == 36
