"""The mails that carry links: each once, in its reader's language, through every trouble with the mail server."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from services.approval.store import mails
from shared.database.pool import transaction
from tests.integration.approval.system import Approval
from tests.integration.approval.test_links import mailed, mailing
from tests.integration.approval.test_members import ADMIN, HELPDESK, PATH, added, waiting_mails
from tests.integration.notifier.catching import Catcher

# Another copy of the service at its mails, and nothing else of it.
_SENDS = """
import asyncio
from services.approval.mailing import Mailing
from shared.database.pool import open_pool
from shared.settings import load_settings

async def main():
    settings = load_settings("approval")
    pool = await open_pool(settings.database_url.get_secret_value(), service="approval", size=2)
    await Mailing(pool, settings).send_due()

asyncio.run(main())
"""


async def test_the_mail_is_in_the_language_of_who_asked_for_it(approval: Approval, catcher: Catcher) -> None:
    body = {"email": "jan@contoso.example", "name": "Jan \u202e<b>Groß</b>"}
    await approval.call(ADMIN, "POST", PATH, body, accept_language="de-AT,en;q=0.5")
    await mailed(approval, catcher, "jan@contoso.example")
    [mail] = catcher.to("jan@contoso.example")
    assert mail.message["Subject"] == "Richten Sie Ihr Konto bei Lockbox ein"
    assert "Guten Tag Jan [U+202E]<b>Groß</b>," in mail.text
    html = mail.message.get_body(("html",))
    assert html is not None
    assert "&lt;b&gt;Groß&lt;/b&gt;" in html.get_content()


async def test_a_mail_whose_link_was_overtaken_is_not_sent(approval: Approval, catcher: Catcher) -> None:
    await added(approval, "slow@contoso.example")
    for _ in range(2):
        await approval.call(HELPDESK, "POST", f"{PATH}/slow@contoso.example/password-reset")
    await mailing(approval, catcher).send_due()
    [mail] = catcher.to("slow@contoso.example")
    assert mail.message["Subject"] == "Set a new password at Lockbox"


async def test_a_mail_is_tried_again_until_the_server_takes_it(approval: Approval, catcher: Catcher) -> None:
    await added(approval, "later@contoso.example")
    catcher.at_data["later@contoso.example"].extend(["451 not now", "451 not now"])
    sending = mailing(approval, catcher, first_seconds=0.0)
    for _ in range(3):
        await sending.send_due()
    assert len(catcher.to("later@contoso.example")) == 1


async def test_a_server_that_is_gone_keeps_the_mail_waiting_and_one_that_refuses_ends_it(
    approval: Approval, catcher: Catcher
) -> None:
    await added(approval, "down@contoso.example")
    await catcher.stop()
    sending = mailing(approval, catcher, first_seconds=0.0)
    await sending.send_due()
    await catcher.start()
    await sending.send_due()
    assert len(catcher.to("down@contoso.example")) == 1
    await added(approval, "never@contoso.example")
    catcher.at_recipient["never@contoso.example"].append("550 nobody here")
    await sending.send_due()
    await sending.send_due()
    assert catcher.to("never@contoso.example") == []
    row = await approval.pool.fetchrow("SELECT state, error FROM mails ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert (row["state"], row["error"][:3]) == ("failed", "550")


async def test_a_mail_whose_sender_was_killed_before_it_heard_is_sent_again_as_the_same_one(
    approval: Approval, catcher: Catcher
) -> None:
    await added(approval, "lost@contoso.example")
    reached = asyncio.Event()

    async def keep_waiting(_: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    catcher.taken = keep_waiting
    settings = approval.settings
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SENDS,
        env={
            "LOCKBOX_DATABASE_URL": settings.database_url.get_secret_value(),
            "LOCKBOX_AMQP_URL": settings.amqp_url.get_secret_value(),
            "LOCKBOX_INTERNAL_SECRET": settings.internal_secret.get_secret_value(),
            "LOCKBOX_TOKEN_KEY_FILE": str(settings.token_key_file),
            "LOCKBOX_SMTP_URL": catcher.url,
            "LOCKBOX_MAIL_FROM": "Lockbox <lb@mail.example>",
        },
    )
    async with asyncio.timeout(30):
        await reached.wait()
        process.kill()
        await process.wait()
    catcher.taken = None
    await approval.pool.execute("UPDATE mails SET due_at = clock_timestamp() WHERE state = 'waiting'")
    async with asyncio.timeout(30):
        while len(catcher.to("lost@contoso.example")) < 2:
            # Until the database has seen that the process is gone, its row is locked.
            await mailing(approval, catcher).send_due()
            await asyncio.sleep(0.05)
    first, second = catcher.to("lost@contoso.example")
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Date"] == second.message["Date"]
    assert first.text == second.text


async def test_two_copies_of_the_service_send_each_mail_once(approval: Approval, catcher: Catcher) -> None:
    for number in range(6):
        await added(approval, f"many{number}@contoso.example")
    await asyncio.gather(*(mailing(approval, catcher).send_due() for _ in range(3)))
    assert [len(catcher.to(f"many{number}@contoso.example")) for number in range(6)] == [1] * 6


async def test_what_ended_long_ago_is_forgotten_and_what_is_open_is_not(approval: Approval) -> None:
    for name in ("ended", "open"):
        await added(approval, f"{name}@contoso.example")
    old = "SELECT l.id FROM links l JOIN members m ON m.id = l.member_id WHERE m.email = 'ended@contoso.example'"
    await approval.pool.execute(
        f"UPDATE links SET expires_at = clock_timestamp() - interval '31 days' WHERE id = ({old})"
    )
    async with transaction(approval.pool) as connection:
        assert await mails.prune(connection) == 1
    assert await approval.pool.fetchval(f"SELECT count(*) FROM ({old}) AS gone") == 0
    assert await waiting_mails(approval, "open@contoso.example") == ["welcome"]
