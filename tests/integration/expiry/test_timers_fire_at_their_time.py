"""Timers on a real PostgreSQL and RabbitMQ: they fire when their time has come, and not when it was called off."""

from datetime import timedelta

from tests.integration.expiry.running import expiring, heard, said, timers
from tests.kernel import until
from tests.relaying import tapping
from tests.servers import Brokers, Databases
from tests.story import Life, speaking

SECOND = timedelta(seconds=1)


async def test_the_window_closes_at_decide_by_and_everybody_hears_it(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    life = Life(window=SECOND)
    submitted = life.submitted()
    async with speaking(broker) as voices, tapping(broker) as tap, expiring(url, broker) as service:
        await voices.say(submitted)

        async def published() -> bool:
            return any(event.type == "lockbox.request.window_closed.v1" for event in tap.events)

        await until(published)
        [event] = await said(service.pool, life.id)
    assert event.type == "lockbox.request.window_closed.v1"
    assert event.data.decide_by == life.decide_by
    assert event.time >= life.decide_by
    assert (event.tenant, event.actor.id, event.actor.type) == ("contoso", "expiry", "service")
    assert (event.correlation_id, event.causation_id) == (life.id, submitted.id)


async def test_a_grant_of_one_second_expires_also_when_no_token_was_issued(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    life = Life(duration=SECOND)
    approved = life.approved()
    async with speaking(broker) as voices, expiring(url, broker) as service:
        await voices.say(life.submitted(), life.provider_approved(), approved)

        async def expired() -> bool:
            return bool(await said(service.pool, life.id))

        await until(expired)
        [event] = await said(service.pool, life.id)
        assert await timers(service.pool, life.id) == {"access": True}
    assert event.type == "lockbox.access.expired.v1"
    assert (event.data.grant_id, event.data.access_until) == (life.grant_id, approved.data.access_until)
    assert event.time >= approved.data.access_until


async def test_a_timer_that_is_due_before_the_one_slept_for_is_not_slept_over(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    late, soon = Life(window=timedelta(hours=1)), Life(window=SECOND)
    async with speaking(broker) as voices, expiring(url, broker) as service:
        await voices.say(late.submitted())
        await until(lambda: heard(service.pool, 1))
        await voices.say(soon.submitted())

        async def closed() -> bool:
            return bool(await said(service.pool, soon.id))

        await until(closed)
        assert await timers(service.pool, late.id) == {"decision_window": False}


async def test_a_decision_or_an_end_calls_its_timer_off(make_database: Databases, make_broker: Brokers) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    approved, denied, refused, withdrawn, released, revoked = lives = [Life() for _ in range(6)]
    async with speaking(broker) as voices, expiring(url, broker) as service:
        await voices.say(*(life.submitted() for life in lives))
        await until(lambda: heard(service.pool, 6))
        assert [await timers(service.pool, life.id) for life in lives] == [{"decision_window": False}] * 6
        await voices.say(approved.approved(), released.approved(), revoked.approved(), denied.denied())
        await voices.say(refused.provider_denied(), withdrawn.withdrawn(), released.released(), revoked.revoked())
        await until(lambda: heard(service.pool, 14))
        assert await timers(service.pool, approved.id) == {"access": False}
        for life in (denied, refused, withdrawn, released, revoked):
            assert await timers(service.pool, life.id) == {}
        assert await said(service.pool) == []


async def test_overdue_timers_of_a_day_without_service_fire_at_once(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    async with speaking(broker) as voices, expiring(url, broker) as service:
        lives = [Life(window=timedelta(hours=-24 + number)) for number in range(5)]
        await voices.say(*(life.submitted() for life in lives))

        async def all_said() -> bool:
            return len(await said(service.pool)) == 5

        await until(all_said)
        assert {event.subject for event in await said(service.pool)} == {life.id for life in lives}


async def test_timers_fire_after_the_database_has_dropped_every_connection(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("expiry"), await make_broker()
    life = Life(window=SECOND)
    async with speaking(broker) as voices, expiring(url, broker) as service:
        await voices.say(life.submitted())
        await until(lambda: heard(service.pool, 1))
        async with service.pool.acquire() as connection:
            await connection.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()"""
            )

        async def closed() -> bool:
            return [event.type for event in await said(service.pool)] == ["lockbox.request.window_closed.v1"]

        await until(closed)
