"""Recovery codes: a locked-out admin comes back with what he printed, through nobody else."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from services.approval.invitations import make_link
from services.approval.one_time import link_token
from shared.database.pool import clock, transaction
from shared.events.envelope import new_id
from tests.integration.approval.system import PASSWORD, Approval, refused, types
from tests.integration.approval.test_members import ADMIN, DPO, PATH, USER, added
from tests.integration.approval.test_roles import give, set_up

NEW = "neither clouds nor bicycles"
FORM = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}")


async def codes_of(approval: Approval, email: str = ADMIN) -> list[str]:
    """Have an admin follow a link, and give the codes that he is shown."""
    member = await approval.member(email)
    async with transaction(approval.pool) as connection:
        link = await make_link(connection, approval.settings, member.id, await clock(connection))
    body = {"token": link_token(approval.settings, link), "password": PASSWORD}
    done = await approval.call(None, "POST", "/v1/setup", body)
    assert done.status_code == 200, done.text
    codes: list[str] = done.json()["recovery_codes"]
    return codes


async def recover(
    approval: Approval, code: str, password: str = NEW, *, email: str = ADMIN, realm: str = "contoso"
) -> Any:
    body = {"realm": realm, "email": email, "code": code, "password": password}
    # The guesses of one test must not lock out the next one's address.
    await approval.pool.execute("DELETE FROM attempts WHERE key LIKE 'address:%'")
    return await approval.call(None, "POST", "/v1/recovery", body)


async def forgive(approval: Approval) -> None:
    await approval.pool.execute("DELETE FROM attempts")


async def test_a_locked_out_admin_comes_back_and_all_that_was_before_ends(approval: Approval) -> None:
    codes = await codes_of(approval)
    assert len(set(codes)) == 10
    assert all(FORM.fullmatch(code) for code in codes)
    admin = await approval.member(ADMIN)
    await approval.pool.execute(
        "INSERT INTO factors (id, member_id, kind, added_at, confirmed_at, secret) VALUES ($1, $2, 'totp', now(), now(), 'x')",
        new_id(),
        admin.id,
    )
    token = await approval.new_token(ADMIN)
    before = len(await approval.published(admin.id))
    # As somebody types it from paper.
    done = await recover(approval, f" {codes[3].lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')}")
    assert (done.status_code, done.json()) == (200, {"realm": "contoso", "email": ADMIN})
    assert (await approval.http.get("/v1/me", headers={"authorization": f"Bearer {token}"})).status_code == 401
    events = (await approval.published(admin.id))[before:]
    assert types(events)[:3] == ["member.password_reset", "member.factor_removed", "member.session_revoked"]
    assert (events[0].data.reason, events[0].data.by.email, events[0].actor.id) == ("recovery", ADMIN, admin.id)
    signed_in = {"realm": "contoso", "email": ADMIN, "password": NEW}
    assert (await approval.call(None, "POST", "/v1/sessions", signed_in)).status_code == 200
    refused(await recover(approval, codes[3]), 401, "invalid_credentials")
    assert (await recover(approval, codes[4], "another of those passwords")).status_code == 200
    approval.tokens.pop(ADMIN, None)


async def test_of_two_who_come_with_one_code_at_once_one_comes_in(approval: Approval) -> None:
    code = (await codes_of(approval))[0]
    answers = await asyncio.gather(
        recover(approval, code, "first of many words"), recover(approval, code, "second of many")
    )
    assert sorted(one.status_code for one in answers) == [200, 401]


async def test_codes_are_stored_as_keyed_hashes_alone(approval: Approval) -> None:
    codes = await codes_of(approval)
    rows = await approval.pool.fetch("SELECT t::text AS row FROM recovery_codes t")
    stored = " ".join(row["row"] for row in rows)
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)
    events = await approval.pool.fetch("SELECT body FROM events")
    assert not any(code.encode() in row["body"] for code in codes for row in events)


async def test_wrong_codes_other_peoples_and_unknown_accounts_look_the_same(approval: Approval) -> None:
    codes = await codes_of(approval)
    answers = [
        await recover(approval, "0000-0000-0000-0000"),
        await recover(approval, codes[0], email=DPO),
        await recover(approval, codes[0], email="nobody@contoso.example"),
        await recover(approval, codes[0], realm="fabrikam"),
        await recover(approval, codes[0], realm="nobody"),
        await recover(approval, "ä" * 64),
    ]
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}
    await forgive(approval)
    assert (await recover(approval, codes[0])).status_code == 200


async def test_guesses_are_locked_out_as_those_of_passwords_and_right_codes_with_them(approval: Approval) -> None:
    codes = await codes_of(approval)
    for _ in range(5):
        refused(await recover(approval, "0000-0000-0000-0000"), 401, "invalid_credentials")
    answer = await recover(approval, codes[0])
    refused(answer, 429, "too_many_attempts")
    assert int(answer.headers["retry-after"]) >= 1
    await forgive(approval)
    assert (await recover(approval, codes[0])).status_code == 200


async def test_a_password_that_is_guessed_first_leaves_the_code_good(approval: Approval) -> None:
    code = (await codes_of(approval))[0]
    for password in ("short", "password1234", "contoso contoso", "AlexAdler2026"):
        refused(await recover(approval, code, password), 422, "invalid_request", "password")
    assert (await recover(approval, code)).status_code == 200


async def test_new_codes_end_the_old_ones_and_take_the_password(approval: Approval) -> None:
    await forgive(approval)
    old = await codes_of(approval)
    path = "/v1/me/recovery-codes"
    refused(
        await approval.call(ADMIN, "POST", path, {"password": "not his own one"}), 422, "wrong_password", "password"
    )
    refused(await approval.call(ADMIN, "POST", path, {}), 422, "invalid_request", "password")
    refused(await approval.call(DPO, "POST", path, {"password": PASSWORD}), 403, "forbidden")
    made = await approval.call(ADMIN, "POST", path, {"password": PASSWORD})
    assert made.status_code == 200, made.text
    assert made.headers["cache-control"] == "no-store"
    new = made.json()["recovery_codes"]
    assert not set(new) & set(old)
    admin = await approval.member(ADMIN)
    last = (await approval.published(admin.id))[-1]
    assert types([last]) == ["member.recovery_codes_made"]
    assert (last.data.by.email, last.actor.id) == (ADMIN, admin.id)
    refused(await recover(approval, old[0]), 401, "invalid_credentials")
    assert (await recover(approval, new[0])).status_code == 200


@pytest.mark.parametrize("end", ["removed", "role taken", "reset by another"])
async def test_codes_end_with_the_role_with_the_member_and_with_a_reset_by_another(fresh: Approval, end: str) -> None:
    codes = await codes_of(fresh)
    assert (await give(fresh, USER, "global_admin")).status_code == 200
    await set_up(fresh, USER)
    fresh.tokens.pop(USER, None)
    if end == "removed":
        assert (await fresh.call(USER, "DELETE", f"{PATH}/{ADMIN}")).status_code == 204
        await added(fresh, ADMIN, USER, roles=["global_admin"])
    elif end == "role taken":
        assert (await fresh.call(USER, "DELETE", f"{PATH}/{ADMIN}/roles/global_admin")).status_code == 204
        assert (await give(fresh, ADMIN, "global_admin", USER)).status_code == 200
    else:
        assert (await fresh.call(USER, "POST", f"{PATH}/{ADMIN}/password-reset")).status_code == 202
    refused(await recover(fresh, codes[0]), 401, "invalid_credentials")


async def test_only_a_global_admin_is_shown_codes(approval: Approval) -> None:
    assert await codes_of(approval, DPO) is None
    assert await codes_of(approval, "otto@provider.example") is None
