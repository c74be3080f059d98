"""A mail whose acceptance was lost is sent again, recognizable by its Message-ID, and told as delivered once."""

import asyncio
import os
import signal
import sys
from functools import partial

from tests.integration.notifier.catching import Catcher, Caught, catching
from tests.integration.notifier.running import SECRET, Contoso, notifying, settled, told
from tests.kernel import pool_of, until
from tests.running import free_port_base
from tests.servers import Broker, Brokers, Databases
from tests.story import Life, member, member_added, registered, role_assigned, speaking

DPO = "dpo@contoso.example"


async def test_a_commit_that_fails_after_the_server_took_the_mail_makes_a_second_one_with_the_same_message_id(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life = Life()
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:

        async def lose_the_connection(caught: Caught) -> None:
            if caught.recipient == DPO and len(catcher.to(DPO)) == 1:
                await service.pool.execute(
                    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND state = 'idle in transaction'"""
                )

        catcher.taken = lose_the_connection
        await voices.say(*Contoso().events(), life.submitted(), life.provider_approved())
        await until(partial(settled, service.pool, 3))
        events = await told(service.pool)
    first, second = catcher.to(DPO)
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Date"] == second.message["Date"]
    assert [event.type for event in events] == ["lockbox.notification.delivered.v1"] * 3
    assert len({event.data.recipient for event in events}) == 3


async def test_a_process_killed_after_the_server_took_the_mail_sends_it_again_with_the_same_message_id(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life, dana = Life(), member(DPO)
    people = [registered(), member_added(dana), role_assigned(dana, "lockbox_approver")]
    async with speaking(broker) as voices, catching() as catcher, pool_of(url, "notifier") as pool:
        await voices.say(*people, life.submitted(), life.provider_approved())
        first = await start(url, broker, catcher)

        async def kill(_: Caught) -> None:
            catcher.taken = None
            first.send_signal(signal.SIGKILL)
            await first.wait()

        catcher.taken = kill
        await first.wait()
        assert await told(pool) == []
        second = await start(url, broker, catcher)
        try:
            await until(partial(settled, pool, 1))
        finally:
            second.send_signal(signal.SIGTERM)
            code = await second.wait()
        [event] = await told(pool)
    assert code == 0
    assert event.type == "lockbox.notification.delivered.v1"
    before, after = catcher.to(DPO)
    assert before.message["Message-ID"] == after.message["Message-ID"] == f"<{event.data.notification_id}@localhost>"


async def test_a_stop_lets_the_mail_that_is_on_its_way_come_to_its_end(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life, reached, go_on = Life(), asyncio.Event(), asyncio.Event()
    async with speaking(broker) as voices, catching() as catcher, pool_of(url, "notifier") as pool:

        async def wait(_: Caught) -> None:
            reached.set()
            await go_on.wait()

        catcher.taken = wait
        async with notifying(url, broker, catcher.url):
            await voices.say(*Contoso().events(), life.submitted(), life.provider_approved())
            await reached.wait()
            asyncio.get_running_loop().call_later(0.2, go_on.set)
        delivered = [event.data.recipient for event in await told(pool)]
    assert sorted(delivered) == sorted(mail.recipient for mail in catcher.mails)


async def start(url: str, broker: Broker, catcher: Catcher) -> asyncio.subprocess.Process:
    """Start an instance as a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCKBOX_")}
    environment |= {
        "LOCKBOX_DATABASE_URL": url,
        "LOCKBOX_AMQP_URL": broker.urls["notifier"],
        "LOCKBOX_INTERNAL_SECRET": SECRET,
        "LOCKBOX_SMTP_URL": catcher.url,
        "LOCKBOX_PORT": str(free_port_base()),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.notifier", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
