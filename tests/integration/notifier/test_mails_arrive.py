"""From the event to the mail in somebody's inbox, over a real broker, database and mail server."""

import random
from functools import partial

from shared.events.values import Settings as TenantSettings
from tests.integration.notifier.catching import catching
from tests.integration.notifier.running import Contoso, notifying, settled, told
from tests.kernel import until
from tests.servers import Brokers, Databases
from tests.story import (
    EVE,
    Life,
    member,
    member_added,
    member_removed,
    role_assigned,
    role_removed,
    settings_changed,
    speaking,
    switched,
)

ADMIN, DPO, SOC = "admin@contoso.example", "dpo@contoso.example", "soc@contoso.example"


async def test_the_providers_approval_reaches_everybody_who_may_decide_and_who_wants_to_know(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life = Life()
    approval = life.provider_approved()
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*Contoso().events(), *Contoso("fabrikam").events(), life.submitted(), approval)
        await until(partial(settled, service.pool, 3))
        events = await told(service.pool)
    assert sorted(mail.recipient for mail in catcher.mails) == [ADMIN, DPO, SOC]
    for mail in catcher.mails:
        assert mail.sender == "lockbox@localhost"
        assert mail.message["To"] == mail.recipient
        assert "A request waits for your decision." in mail.text
        assert f"http://portal.example:8001/?request={life.id}" in mail.text
    assert {event.type for event in events} == {"lockbox.notification.delivered.v1"}
    assert {event.data.recipient for event in events} == {ADMIN, DPO, SOC}
    for event in events:
        assert (event.tenant, event.subject, event.data.request_id) == ("contoso", life.id, life.id)
        assert (event.causation_id, event.data.about, event.data.channel) == (approval.id, approval.type, "email")
        assert f"<{event.data.notification_id}@localhost>" in [mail.message["Message-ID"] for mail in catcher.mails]


async def test_the_outcome_reaches_the_engineer_and_the_approvers_in_the_thread_of_the_request(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life = Life()
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*Contoso().events(), life.submitted(), life.provider_approved())
        await until(partial(settled, service.pool, 3))
        await voices.say(life.approved())
        await until(partial(settled, service.pool, 6))
    assert sorted(mail.recipient for mail in catcher.mails[3:]) == [ADMIN, DPO, EVE.email]
    assert len({mail.message["Subject"] for mail in catcher.mails}) == 1
    assert len({mail.message["References"] for mail in catcher.mails}) == 1
    assert len({mail.message["Message-ID"] for mail in catcher.mails}) == 6


async def test_hostile_words_arrive_as_words(make_database: Databases, make_broker: Brokers) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    hostile = "A\x00B \u202egnp.exe\r\nBcc: evil@example.com\r\n.\r\n<script>alert(1)</script>"
    life = Life(detail=hostile, ticket=hostile)
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*Contoso().events(), life.submitted(), life.provider_approved(comment=None))
        await until(partial(settled, service.pool, 3))
        await voices.say(life.denied(comment=hostile))
        await until(partial(settled, service.pool, 6))
    assert len(catcher.mails) == 6
    for mail in catcher.mails:
        assert "  | A[U+0000]B [U+202E]gnp.exe\n  | Bcc: evil@example.com\n  | .\n  | <script>" in mail.text
        assert mail.message["Bcc"] is None
        assert mail.message["Subject"].startswith("[Lockbox] A[U+0000]B [U+202E]gnp.exe Bcc")


async def test_people_and_settings_count_as_they_were_last_changed(
    make_database: Databases, make_broker: Brokers
) -> None:
    url, broker = await make_database("notifier"), await make_broker()
    life, gone, demoted = Life(), member("gone@contoso.example"), member("demoted@contoso.example")
    both = member("both@contoso.example")
    events = [
        *Contoso().events(),
        *(member_added(person) for person in (gone, demoted, both)),
        *(role_assigned(person, "lockbox_approver") for person in (gone, demoted, both)),
        role_assigned(both, "lockbox_approver", through="an issuer"),
        role_removed(both, "lockbox_approver", through="an issuer"),
        switched(on=False, version=2),
        settings_changed(TenantSettings(enabled=True, notify=["new@contoso.example"], links_in_mail=False), version=3),
        member_removed(gone),
        role_removed(demoted, "lockbox_approver"),
    ]
    # Whatever their order and number, the newest of each counts.
    shuffled = events * 2
    random.Random(5).shuffle(shuffled)
    async with speaking(broker) as voices, catching() as catcher, notifying(url, broker, catcher.url) as service:
        await voices.say(*shuffled, life.submitted(), life.provider_approved())
        await until(partial(settled, service.pool, 4))
        assert await service.pool.fetchval("SELECT enabled FROM tenants")
    assert sorted(mail.recipient for mail in catcher.mails) == [ADMIN, both.email, DPO, "new@contoso.example"]
    assert all("http" not in mail.text for mail in catcher.mails)
