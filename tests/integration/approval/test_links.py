"""One-time links: mailed to whoever they are for, good once and for a while, and never stored."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Any

import pytest

from services.approval.mailing import Mailing
from services.approval.one_time import link_token
from shared.mail.tries import Backoff
from tests.integration.approval.system import Approval, refused, types
from tests.integration.approval.test_members import ADMIN, HELPDESK, PATH, USER, added
from tests.integration.notifier.catching import Catcher

PASSWORD = "neither clouds nor bicycles"
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
    nina = await approval.member("nina@contoso.example")
    assert types(await approval.published(nina.id))[-1] == "member.set_up_completed"
    assert await sign_in(approval, "nina@contoso.example") == 200
    # A second look finds nothing to send.
    await mailing(approval, catcher).send_due()
    assert len(catcher.to("nina@contoso.example")) == 1


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


async def test_a_member_who_loses_his_way_gets_one_from_his_own_people_alone(approval: Approval) -> None:
    refused(await approval.call(None, "POST", f"{PATH}/{USER}/password-reset"), 401, "not_authenticated")
    for body in ({}, {"token": "x"}, {"password": PASSWORD}, {"token": "", "password": PASSWORD}, {"token": 1}):
        refused(await approval.call(None, "POST", "/v1/setup", body), 422, "invalid_request")


@pytest.mark.parametrize("number", range(3))
async def test_whoever_sets_up_while_he_is_made_an_approver_or_reset_starts_anew(
    approval: Approval, catcher: Catcher, number: int
) -> None:
    for name, method, path in (("made", "PUT", "roles/lockbox_approver"), ("again", "POST", "password-reset")):
        email = f"{name}{number}@contoso.example"
        await added(approval, email)
        old = await mailed(approval, catcher, email)
        done, changed = await asyncio.gather(
            set_up(approval, old), approval.call(ADMIN, method, f"{PATH}/{email}/{path}")
        )
        assert changed.status_code in (200, 202)
        assert done.status_code in (200, 422)
        # In either order the password that was set by the old link is worth nothing.
        assert (await approval.call(ADMIN, "GET", f"{PATH}/{email}")).json()["has_password"] is False
        refused(await set_up(approval, old), 422, "link_invalid")
        assert (await set_up(approval, await mailed(approval, catcher, email))).status_code == 200
