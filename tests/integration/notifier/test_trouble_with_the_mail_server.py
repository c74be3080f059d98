"""Mail servers that refuse or postpone: each recipient gets the mail once, or a failure is on the record."""

from collections import deque
from functools import partial

from tests.integration.notifier.catching import catching
from tests.integration.notifier.running import Contoso, notifying, outcomes, settled, told
from tests.kernel import until
from tests.servers import Brokers, Databases
from tests.story import Life, speaking

ADMIN, DPO, SOC = "admin@contoso.example", "dpo@contoso.example", "soc@contoso.example"


async def test_a_recipient_whom_the_server_refuses_is_on_the_record_and_the_others_get_their_mail(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life = Life()
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        catcher.at_recipient[DPO] = deque(["550 5.1.1 No such user here"])
        catcher.at_data[SOC] = deque(["554 5.6.0 Looks like spam"])
        await voices.say(*Contoso().events(), life.submitted(), life.provider_approved())
        await until(partial(settled, service.pool, 3))
        assert await outcomes(service.pool) == {ADMIN: "delivered", DPO: "failed", SOC: "failed"}
        failed = {event.data.recipient: event for event in await told(service.pool) if event.type.endswith("failed.v1")}
    assert [mail.recipient for mail in catcher.mails] == [ADMIN]
    assert failed[DPO].data.reason == "550 5.1.1 No such user here"
    assert failed[SOC].data.reason == "554 5.6.0 Looks like spam"
    assert failed[DPO].subject == life.id


async def test_a_server_that_says_not_now_is_asked_again(make_database: Databases, make_broker: Brokers) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life = Life()
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        catcher.at_recipient[ADMIN] = deque(["451 4.3.0 Try again later"] * 2)
        catcher.at_recipient[DPO] = deque(["421 4.3.2 Shutting down"])
        catcher.at_data[SOC] = deque(["452 4.2.2 Mailbox full", "421 4.3.2 Shutting down"])
        await voices.say(*Contoso().events(), life.submitted(), life.provider_approved())
        await until(partial(settled, service.pool, 3))
        assert set((await outcomes(service.pool)).values()) == {"delivered"}
        assert len(await told(service.pool)) == 3
    assert sorted(mail.recipient for mail in catcher.mails) == [ADMIN, DPO, SOC]


async def test_an_address_that_is_none_is_on_the_record_as_failed(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life, contoso = Life(), Contoso()
    hostile = "soc@contoso.example\r\nBcc: evil@example.com"
    contoso.settings = contoso.settings.model_copy(update={"notify": [hostile]})
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*contoso.events(), life.submitted(), life.provider_approved())
        await until(partial(settled, service.pool, 3))
        assert await outcomes(service.pool) == {ADMIN: "delivered", DPO: "delivered", hostile: "failed"}
    assert sorted(mail.recipient for mail in catcher.mails) == [ADMIN, DPO]
