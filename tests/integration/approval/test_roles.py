"""Roles over HTTP: one hand gives them, a first privileged one starts somebody anew, and the last keepers of a realm stay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.events.envelope import new_id
from tests.integration.approval.system import Approval, refused, types
from tests.integration.approval.test_members import added, waiting_mails

PATH = "/v1/tenants/contoso/members"
SETTINGS = "/v1/tenants/contoso/settings"
ADMIN, DPO, HELPDESK, AUDITOR, USER = (
    f"{name}@contoso.example" for name in ("admin", "dpo", "helpdesk", "auditor", "user")
)
OTTO, EVE, MAX = (f"{name}@provider.example" for name in ("otto", "eve", "max"))
PEOPLE = "/v1/tenants/provider/members"


async def give(approval: Approval, email: str, role: str, who: str = ADMIN, path: str = PATH) -> Any:
    return await approval.call(who, "PUT", f"{path}/{email}/roles/{role}")


async def take(approval: Approval, email: str, role: str, who: str = ADMIN, path: str = PATH) -> Any:
    return await approval.call(who, "DELETE", f"{path}/{email}/roles/{role}")


async def set_up(approval: Approval, email: str) -> None:
    """Have somebody follow his link, without the work of a password."""
    await approval.pool.execute("UPDATE members SET password_hash = 'x' WHERE email = $1", email)


async def require_two(approval: Approval) -> None:
    now = (await approval.call(ADMIN, "GET", SETTINGS)).json()
    changed = await approval.call(ADMIN, "PUT", SETTINGS, now | {"approvals_required": 2})
    assert changed.status_code == 200, changed.text


async def test_a_role_is_given_and_taken_and_both_are_events(approval: Approval) -> None:
    member = await added(approval, "plain@contoso.example")
    given = await give(approval, "PLAIN@contoso.example", "auditor")
    assert (given.status_code, given.json()["roles"]) == (200, ["auditor"])
    assert (await give(approval, "plain@contoso.example", "auditor")).status_code == 200
    assert (await take(approval, "plain@contoso.example", "auditor")).status_code == 204
    assert (await take(approval, "plain@contoso.example", "auditor")).status_code == 204
    events = await approval.published(member["id"])
    assert types(events) == ["member.added", "member.role_assigned", "member.role_removed"]
    assert {event.data.by.email for event in events} == {ADMIN}


async def test_a_privileged_role_starts_its_holder_anew(approval: Approval) -> None:
    member = await added(approval, "rising@contoso.example", roles=["auditor"])
    await set_up(approval, "rising@contoso.example")
    await approval.pool.execute(
        """INSERT INTO factors (id, member_id, kind, added_at, confirmed_at, secret)
           VALUES ($1, $3, 'totp', now(), now(), 'x'), ($2, $3, 'totp', now(), NULL, 'y')""",
        new_id(),
        new_id(),
        member["id"],
    )
    before = (await approval.call(ADMIN, "GET", f"{PATH}/rising@contoso.example")).json()
    assert (before["has_password"], before["factors"]) == (True, ["totp"])
    token = await approval.new_token("rising@contoso.example")
    given = await give(approval, "rising@contoso.example", "lockbox_approver")
    assert given.json()["roles"] == ["auditor", "lockbox_approver"]
    assert (given.json()["has_password"], given.json()["factors"]) == (False, [])
    assert (await approval.http.get("/v1/me", headers={"authorization": f"Bearer {token}"})).status_code == 401
    events = (await approval.published(member["id"]))[2:]
    assert types(events) == [
        "member.role_assigned",
        "member.password_reset",
        "member.session_revoked",
        "member.factor_removed",
    ]
    assert events[1].data.reason == "privileged_role"
    assert await waiting_mails(approval, "rising@contoso.example") == ["privileged_role"]
    # It is the same with every further one: whoever becomes somebody who decides begins anew.
    await set_up(approval, "rising@contoso.example")
    given = await give(approval, "rising@contoso.example", "user_admin")
    assert given.json()["has_password"] is False
    assert types(await approval.published(member["id"]))[-2:] == ["member.role_assigned", "member.password_reset"]
    # Who gives himself a role has just shown that the account is his.
    await give(approval, ADMIN, "lockbox_approver")
    assert (await approval.call(ADMIN, "GET", f"{PATH}/{ADMIN}")).json()["has_password"] is True


async def test_whom_a_group_has_made_privileged_starts_anew_all_the_same(approval: Approval) -> None:
    member = await added(approval, "group@contoso.example")
    await set_up(approval, "group@contoso.example")
    issuer = new_id()
    await approval.pool.execute(
        """INSERT INTO issuers (id, tenant, issuer, name, client_id, algorithm, group_claim, mapping, added_at)
           VALUES ($1, 'contoso', 'https://id.contoso.example', 'C', 'c', 'RS256', 'groups', '{}', now())""",
        issuer,
    )
    await approval.pool.execute(
        "INSERT INTO group_roles VALUES ($1, 'lockbox_approver', $2, now())", member["id"], issuer
    )
    shown = (await approval.call(ADMIN, "GET", f"{PATH}/group@contoso.example")).json()
    assert (shown["roles"], shown["group_roles"]) == (["lockbox_approver"], ["lockbox_approver"])
    refused(await approval.call(HELPDESK, "POST", f"{PATH}/group@contoso.example/password-reset"), 403, "forbidden")
    refused(await take(approval, "group@contoso.example", "lockbox_approver"), 409, "role_of_issuer")
    given = await give(approval, "group@contoso.example", "lockbox_approver")
    assert (given.status_code, given.json()["has_password"]) == (200, False)
    assert await waiting_mails(approval, "group@contoso.example") == ["privileged_role"]
    assert (await take(approval, "group@contoso.example", "lockbox_approver")).status_code == 204
    await approval.pool.execute("DELETE FROM group_roles WHERE member_id = $1", member["id"])


@pytest.mark.parametrize("who", [DPO, HELPDESK, AUDITOR, USER])
async def test_only_a_global_admin_gives_and_takes_roles(approval: Approval, who: str) -> None:
    before = await approval.everything()
    for him in (USER, who):
        for role in ("auditor", "user_admin", "lockbox_approver", "global_admin"):
            refused(await give(approval, him, role, who), 403, "forbidden")
            refused(await take(approval, him, role, who), 403, "forbidden")
    body = {"email": "new@contoso.example", "name": "N", "roles": ["auditor"]}
    refused(await approval.call(who, "POST", PATH, body), 403, "forbidden")
    assert await approval.everything() == before


@pytest.mark.parametrize("role", ["engineer", "manager", "operator", "root", "GLOBAL_ADMIN"])
async def test_a_tenant_knows_no_role_of_the_providers_realm(approval: Approval, role: str) -> None:
    before = await approval.everything()
    refused(await give(approval, USER, role), 422, "unknown_role", "role")
    refused(await take(approval, USER, role), 422, "unknown_role", "role")
    body = {"email": "new@contoso.example", "name": "N", "roles": ["auditor", role]}
    refused(await approval.call(ADMIN, "POST", PATH, body), 422, "unknown_role", "roles.1")
    assert await approval.everything() == before


async def test_the_providers_realm_knows_no_role_of_a_tenant(approval: Approval) -> None:
    for role in ("global_admin", "lockbox_approver", "user_admin"):
        refused(await give(approval, EVE, role, OTTO, PEOPLE), 422, "unknown_role", "role")


async def test_an_unknown_member_is_not_found_by_those_who_may_look(approval: Approval) -> None:
    refused(await give(approval, "nobody@contoso.example", "auditor"), 404, "not_found")
    refused(await take(approval, "nobody@contoso.example", "auditor"), 404, "not_found")
    refused(await give(approval, "admin@fabrikam.example", "auditor"), 404, "not_found")


async def test_the_last_admin_stays_in_every_way(fresh: Approval) -> None:
    before = await fresh.everything()
    refused(await fresh.call(ADMIN, "DELETE", f"{PATH}/{ADMIN}"), 409, "last_global_admin")
    refused(await take(fresh, ADMIN, "global_admin"), 409, "last_global_admin")
    refused(await fresh.call(ADMIN, "POST", f"{PATH}/{ADMIN}/password-reset"), 409, "last_global_admin")
    assert await fresh.everything() == before
    # One who was made admin and has not set up his account could let nobody in.
    assert (await give(fresh, USER, "global_admin")).status_code == 200
    refused(await fresh.call(ADMIN, "DELETE", f"{PATH}/{ADMIN}"), 409, "last_global_admin")
    await set_up(fresh, USER)
    assert (await take(fresh, ADMIN, "global_admin")).status_code == 204
    refused(await fresh.call(ADMIN, "DELETE", f"{PATH}/{USER}"), 403, "forbidden")
    refused(await take(fresh, USER, "global_admin", USER), 409, "last_global_admin")


async def test_a_last_admin_with_recovery_codes_may_reset_himself_and_keeps_them(fresh: Approval) -> None:
    admin = await fresh.member(ADMIN)
    await fresh.pool.execute("INSERT INTO recovery_codes (digest, member_id) VALUES ('x', $1)", admin.id)
    assert (await fresh.call(ADMIN, "POST", f"{PATH}/{ADMIN}/password-reset")).status_code == 202
    assert await fresh.pool.fetchval("SELECT count(*) FROM recovery_codes") == 1
    assert (await fresh.member(ADMIN)).roles == {"global_admin"}
    assert await waiting_mails(fresh, ADMIN) == ["reset"]


async def second_admin(fresh: Approval) -> None:
    """Have the data protection officer be a global_admin too, set up and signed in as the first one is."""
    assert (await give(fresh, DPO, "global_admin")).status_code == 200
    await set_up(fresh, DPO)
    fresh.tokens.pop(DPO, None)


async def test_of_two_admins_who_remove_each_other_at_once_one_remains(fresh: Approval) -> None:
    await second_admin(fresh)
    for _ in range(3):
        # Both are signed in before either is gone.
        await asyncio.gather(fresh.token(ADMIN), fresh.token(DPO))
        answers = await asyncio.gather(
            fresh.call(ADMIN, "DELETE", f"{PATH}/{DPO}"), fresh.call(DPO, "DELETE", f"{PATH}/{ADMIN}")
        )
        # Whoever came second is signed in no more.
        assert sorted(one.status_code for one in answers) == [204, 401]
        left = await fresh.pool.fetch(
            """SELECT m.email FROM members m JOIN member_roles r ON r.member_id = m.id
               WHERE m.realm = 'contoso' AND r.role = 'global_admin' AND m.removed_at IS NULL"""
        )
        assert len(left) == 1
        winner = left[0]["email"]
        other = DPO if winner == ADMIN else ADMIN
        await added(fresh, other, winner, roles=["global_admin"])
        await set_up(fresh, other)
        fresh.tokens.pop(other)


async def test_of_two_admins_who_step_down_at_once_one_remains(fresh: Approval) -> None:
    await second_admin(fresh)
    await asyncio.gather(fresh.token(ADMIN), fresh.token(DPO))
    answers = await asyncio.gather(
        take(fresh, ADMIN, "global_admin", ADMIN), take(fresh, DPO, "global_admin", DPO), return_exceptions=False
    )
    assert sorted(one.status_code for one in answers) == [204, 409]


async def test_nobody_goes_who_is_needed_for_a_decision(fresh: Approval) -> None:
    await require_two(fresh)
    for call in (take(fresh, DPO, "lockbox_approver"), fresh.call(ADMIN, "DELETE", f"{PATH}/{DPO}")):
        refused(await call, 409, "too_few_approvers")
    assert (await fresh.member(DPO)).roles == {"lockbox_approver"}


async def test_the_last_operator_stays(fresh: Approval) -> None:
    refused(await fresh.call(OTTO, "DELETE", f"{PEOPLE}/{OTTO}"), 409, "last_operator")
    refused(await take(fresh, OTTO, "operator", OTTO, PEOPLE), 409, "last_operator")
    assert (await give(fresh, MAX, "operator", OTTO, PEOPLE)).json()["roles"] == ["manager", "operator"]
    # No privileged role of a tenant: he keeps his password, and is not mailed anything.
    assert await waiting_mails(fresh, MAX) == []
    assert (await take(fresh, OTTO, "operator", OTTO, PEOPLE)).status_code == 204
    refused(await take(fresh, MAX, "operator", MAX, PEOPLE), 409, "last_operator")


async def test_an_engineer_who_may_submit_no_more_loses_his_grants(fresh: Approval) -> None:
    request = await fresh.granted()
    assert (await give(fresh, EVE, "manager", OTTO, PEOPLE)).status_code == 200
    assert (await take(fresh, EVE, "engineer", OTTO, PEOPLE)).status_code == 204
    await fresh.settle()
    assert (await fresh.shown(request["id"]))["state"] == "approved"
    assert (await take(fresh, EVE, "manager", OTTO, PEOPLE)).status_code == 204
    await fresh.settle()
    shown = await fresh.shown(request["id"])
    assert (shown["state"], shown["ended_by"]) == ("ended", "revoked")


async def test_an_engineer_who_is_removed_loses_his_grants(fresh: Approval) -> None:
    request = await fresh.granted()
    assert (await fresh.call(OTTO, "DELETE", f"{PEOPLE}/{EVE}")).status_code == 204
    await fresh.settle()
    shown = await fresh.shown(request["id"])
    assert (shown["state"], shown["ended_by"]) == ("ended", "revoked")


async def test_over_ten_who_may_decide_is_allowed_and_said_to_be_unwise(fresh: Approval) -> None:
    for number in range(8):
        one = await added(fresh, f"a{number}@contoso.example", roles=["lockbox_approver"])
        assert one["warnings"] == []
    eleventh = await added(fresh, "a9@contoso.example", roles=["lockbox_approver"])
    [warning] = eleventh["warnings"]
    assert "11 people" in warning
    assert (await fresh.call(DPO, "GET", PATH)).json()["warnings"] == [warning]
    assert (await give(fresh, USER, "lockbox_approver")).json()["warnings"] != []
