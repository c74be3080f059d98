"""Where a tenant demands two approvals, power over them is given or started anew by two as well."""

from __future__ import annotations

from tests.integration.approval.system import Approval, refused
from tests.integration.approval.test_members import ADMIN, DPO, HELPDESK, PATH, USER, added, waiting_mails
from tests.integration.approval.test_roles import give, require_two


async def test_where_two_must_agree_a_privileged_role_waits_for_the_second(fresh: Approval) -> None:
    await require_two(fresh)
    member = await added(fresh, "third@contoso.example")
    asked = await give(fresh, "third@contoso.example", "lockbox_approver")
    assert asked.status_code == 202, asked.text
    change = asked.json()
    assert (change["kind"], change["state"], change["member"]["email"], change["roles"]) == (
        "role_assigned",
        "open",
        "third@contoso.example",
        ["lockbox_approver"],
    )
    shown = (await fresh.call(ADMIN, "GET", f"{PATH}/third@contoso.example")).json()
    assert shown["roles"] == []
    voted = await fresh.done(DPO, f"/v1/tenants/contoso/changes/{change['id']}/approve")
    assert voted["state"] == "carried"
    shown = (await fresh.call(ADMIN, "GET", f"{PATH}/third@contoso.example")).json()
    assert shown["roles"] == ["lockbox_approver"]
    events = await fresh.published(member["id"])
    assert [event.data.change_id for event in events if event.type.endswith("role_assigned.v1")] == [change["id"]]
    assert await waiting_mails(fresh, "third@contoso.example") == ["privileged_role"]
    # What gives nobody power over a decision needs no second one.
    assert (await give(fresh, USER, "auditor")).status_code == 200


async def test_nobody_gets_past_a_rule_of_two_by_a_member_of_his_making(fresh: Approval) -> None:
    await require_two(fresh)
    body = {"email": "puppet@contoso.example", "name": "Puppet", "roles": ["lockbox_approver"]}
    asked = await fresh.call(ADMIN, "POST", PATH, body)
    assert (asked.status_code, asked.json()["kind"]) == (202, "member_added")
    refused(await fresh.call(ADMIN, "GET", f"{PATH}/puppet@contoso.example"), 404, "not_found")
    reset = await fresh.call(ADMIN, "POST", f"{PATH}/{DPO}/password-reset")
    assert (reset.status_code, reset.json()["kind"], reset.json()["state"]) == (202, "password_reset", "open")
    assert await waiting_mails(fresh, DPO) == []
    factors = await fresh.call(ADMIN, "DELETE", f"{PATH}/{DPO}/factors")
    assert (factors.status_code, factors.json()["kind"]) == (202, "factors_removed")
    # The own vote is not counted twice, and a user_admin is not asked.
    for one in (asked, reset, factors):
        path = f"/v1/tenants/contoso/changes/{one.json()['id']}/approve"
        refused(await fresh.call(ADMIN, "POST", path), 409, "already_voted")
        refused(await fresh.call(HELPDESK, "POST", path), 403, "forbidden")
    carried = await fresh.done(DPO, f"/v1/tenants/contoso/changes/{asked.json()['id']}/approve")
    assert carried["state"] == "carried"
    shown = (await fresh.call(ADMIN, "GET", f"{PATH}/puppet@contoso.example")).json()
    assert shown["id"] == carried["member"]["id"]
    assert await waiting_mails(fresh, "puppet@contoso.example") == ["welcome"]


async def test_a_change_about_somebody_who_is_gone_is_void(fresh: Approval) -> None:
    await require_two(fresh)
    await added(fresh, "third@contoso.example")
    change = (await give(fresh, "third@contoso.example", "user_admin")).json()
    assert (await fresh.call(ADMIN, "DELETE", f"{PATH}/third@contoso.example")).status_code == 204
    voted = await fresh.done(DPO, f"/v1/tenants/contoso/changes/{change['id']}/approve")
    assert voted["state"] == "void"
