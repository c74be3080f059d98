"""One-time links: mailed to whoever they are for, good once and for a while, and never stored."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from typing import Any

import pytest

from services.approval.mailing import Mailing
from services.approval.one_time import link_token
from shared.mail.tries import Backoff
from tests.integration.approval.system import Approval, refused
from tests.integration.approval.test_members import ADMIN, HELPDESK, PATH, USER, added
from tests.integration.notifier.catching import Catcher

PASSWORD = "neither clouds nor bicycles"
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
LINK = re.compile(r"http://127\.0\.0\.1:8001/setup\?token=([A-Za-z0-9_-]{43})\b")


def mailing(approval: Approval, catcher: Catcher, **backoff: Any) -> Mailing:
    settings = approval.settings.model_copy(update={"smtp_url": catcher.url, "mail_from": "Lockbox <lb@mail.example>"})
    return Mailing(approval.pool, settings, backoff=Backoff(**backoff) if backoff else None)


async def mailed(approval: Approval, catcher: Catcher, email: str) -> str:
    """Have the mails sent, and give the token of the newest one to somebody."""
    await mailing(approval, catcher).send_due()
    found = LINK.search(catcher.to(email)[-1].text)
    assert found is not None
    return found[1]


async def set_up(approval: Approval, token: str, password: str = PASSWORD) -> Any:
    return await approval.call(None, "POST", "/v1/setup", {"token": token, "password": password})


async def sign_in(approval: Approval, email: str, password: str = PASSWORD) -> int:
    body = {"realm": email.partition("@")[2].removesuffix(".example"), "email": email, "password": password}
    return (await approval.call(None, "POST", "/v1/sessions", body)).status_code


async def test_a_new_member_follows_his_link_and_signs_in(approval: Approval, catcher: Catcher) -> None:
    await added(approval, "nina@contoso.example")
    token = await mailed(approval, catcher, "nina@contoso.example")
    [mail] = catcher.to("nina@contoso.example")
    assert mail.sender == "lb@mail.example"
    assert mail.message["Subject"] == "Set up your account at Lockbox"
    assert "Nina Neu" in mail.text
    assert "for Contoso" in mail.text
    html = mail.message.get_body(("html",))
    assert html is not None
    assert f"/setup?token={token}" in html.get_content()
    assert await sign_in(approval, "nina@contoso.example") == 401
    done = await set_up(approval, token)
    assert (done.status_code, done.json()) == (
        200,
        {"realm": "contoso", "email": "nina@contoso.example", "recovery_codes": None},
    )
    assert done.headers["cache-control"] == "no-store"
    assert await sign_in(approval, "nina@contoso.example") == 200
    # A second look finds nothing to send.
    await mailing(approval, catcher).send_due()
    assert len(catcher.to("nina@contoso.example")) == 1


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


async def test_a_link_is_good_once(approval: Approval, catcher: Catcher) -> None:
    await added(approval, "once@contoso.example")
    token = await mailed(approval, catcher, "once@contoso.example")
    assert (await set_up(approval, token)).status_code == 200
    refused(await set_up(approval, token, "another one of those words"), 422, "link_invalid", "token")
    assert await sign_in(approval, "once@contoso.example") == 200


async def test_of_two_who_come_with_one_link_at_once_one_sets_the_password(
    approval: Approval, catcher: Catcher
) -> None:
    await added(approval, "race@contoso.example")
    token = await mailed(approval, catcher, "race@contoso.example")
    passwords = ["first of several words", "second of several words"]
    answers = await asyncio.gather(*(set_up(approval, token, one) for one in passwords))
    assert sorted(one.status_code for one in answers) == [200, 422]
    won = passwords[[one.status_code for one in answers].index(200)]
    assert [await sign_in(approval, "race@contoso.example", one) == 200 for one in passwords] == [
        one == won for one in passwords
    ]


async def test_links_that_are_expired_overtaken_guessed_or_anothers_look_the_same(
    approval: Approval, catcher: Catcher
) -> None:
    for name in ("late", "twice", "gone"):
        await added(approval, f"{name}@contoso.example")
    late, old, gone = [await mailed(approval, catcher, f"{name}@contoso.example") for name in ("late", "twice", "gone")]
    await approval.pool.execute(
        "UPDATE links SET expires_at = clock_timestamp() WHERE digest = $1", hashlib.sha256(late.encode()).digest()
    )
    await approval.call(HELPDESK, "POST", f"{PATH}/twice@contoso.example/password-reset")
    await approval.call(HELPDESK, "DELETE", f"{PATH}/gone@contoso.example")
    guessed = link_token(approval.settings, "0193f2a0-0000-7000-8000-000000000000")
    answers = [await set_up(approval, token) for token in (late, old, gone, guessed, "x", "ä" * 100, late + "A")]
    assert {(one.status_code, one.text) for one in answers} == {(422, answers[0].text)}
    refused(answers[0], 422, "link_invalid", "token")
    new = await mailed(approval, catcher, "twice@contoso.example")
    assert new != old
    assert (await set_up(approval, new)).status_code == 200


@pytest.mark.parametrize(
    "password", ["short", "password1234", "twotwotwotwo1", "weak@contoso.example", "x" * 257, "Nina Neu 1234"]
)
async def test_a_password_that_is_guessed_first_leaves_the_link_good(
    approval: Approval, catcher: Catcher, password: str
) -> None:
    if password == "short":
        await added(approval, "weak@contoso.example")
    row = await approval.pool.fetchrow(
        "SELECT l.id::text FROM links l JOIN members m ON m.id = l.member_id WHERE m.email = 'weak@contoso.example'"
    )
    assert row is not None
    token = link_token(approval.settings, row["id"])
    refused(await set_up(approval, token, password), 422, "invalid_request", "password")
    assert await approval.pool.fetchval("SELECT ended_at IS NULL FROM links WHERE id = $1", row["id"])


async def test_no_link_is_stored_anywhere(approval: Approval, catcher: Catcher) -> None:
    await added(approval, "secret@contoso.example")
    token = await mailed(approval, catcher, "secret@contoso.example")
    await set_up(approval, token)
    tables = await approval.pool.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'"
    )
    for table in tables:
        rows = await approval.pool.fetch(f"SELECT t::text AS row FROM {table['tablename']} t")
        assert not [row for row in rows if token in row["row"] or token.encode().hex() in row["row"]]


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


async def test_a_member_who_loses_his_way_gets_one_from_his_own_people_alone(approval: Approval) -> None:
    refused(await approval.call(None, "POST", f"{PATH}/{USER}/password-reset"), 401, "not_authenticated")
    for body in ({}, {"token": "x"}, {"password": PASSWORD}, {"token": "", "password": PASSWORD}, {"token": 1}):
        refused(await approval.call(None, "POST", "/v1/setup", body), 422, "invalid_request")
