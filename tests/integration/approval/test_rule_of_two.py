"""Where two have to agree, one person alone gets nowhere: not by accounts, roles, passwords, settings, or patience."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.events.envelope import new_id
from shared.events.members import MemberAdded, PasswordReset, RoleAssigned
from shared.events.tenants import ChangeProposed
from tests.integration.approval.rules import ADMIN, CHANGES, DPO, SETTINGS, appoint, dismiss, put, require, settings
from tests.integration.approval.system import Approval, refused, types

MEMBERS = "/v1/tenants/contoso/members"
USER, HELPDESK = "user@contoso.example", "helpdesk@contoso.example"


@pytest.fixture(autouse=True)
async def rule_of_two(approval: Approval) -> AsyncIterator[None]:
    await require(approval, 2)
    yield
    await dismiss(approval, USER, HELPDESK)
    await appoint(approval, DPO)
    await appoint(approval, ADMIN, role="global_admin")
    await approval.pool.execute("UPDATE changes SET state = 'void' WHERE state = 'open'")
    await require(approval, 1)


async def roles(approval: Approval, email: str) -> set[str]:
    return set((await approval.member(email)).roles)


async def test_a_second_account_of_ones_own_gets_the_role_only_with_somebody_elses_vote(approval: Approval) -> None:
    response = await approval.call(ADMIN, "POST", MEMBERS, {"email": "admin2@contoso.example", "name": "Alex Again"})
    assert response.status_code == 201, response.text
    given = await approval.call(ADMIN, "PUT", f"{MEMBERS}/admin2@contoso.example/roles/lockbox_approver")
    assert given.status_code == 202, given.text
    change = given.json()
    assert (change["kind"], change["member"]["email"]) == ("role_assigned", "admin2@contoso.example")
    assert await roles(approval, "admin2@contoso.example") == set()
    # Neither account votes: the one has, the other has no role.
    path = f"{CHANGES}/{change['id']}/approve"
    refused(await approval.call(ADMIN, "POST", path, {}), 409, "already_voted")
    refused(await approval.call("admin2@contoso.example", "POST", path, {}), 404, "not_found")
    carried = await approval.done(DPO, path, {})
    assert carried["state"] == "carried"
    assert await roles(approval, "admin2@contoso.example") == {"lockbox_approver"}
    member = await approval.member("admin2@contoso.example")
    told = await approval.published(member.id)
    assert {"member.role_assigned", "member.password_reset"} <= set(types(told))
    assigned = next(event.data for event in told if isinstance(event.data, RoleAssigned))
    reset = next(event.data for event in told if isinstance(event.data, PasswordReset))
    assert assigned.change_id == reset.change_id == change["id"]
    assert (await approval.call(ADMIN, "DELETE", f"{MEMBERS}/admin2@contoso.example")).status_code == 204


async def test_a_new_member_with_the_role_waits_and_is_made_by_the_last_vote(approval: Approval) -> None:
    body = {"email": "new@contoso.example", "name": "Nia New", "roles": ["lockbox_approver"]}
    response = await approval.call(ADMIN, "POST", MEMBERS, body)
    assert response.status_code == 202, response.text
    change = response.json()
    assert (change["kind"], change["roles"]) == ("member_added", ["lockbox_approver"])
    refused(await approval.call(ADMIN, "GET", f"{MEMBERS}/new@contoso.example"), 404, "not_found")
    assert (await approval.done(DPO, f"{CHANGES}/{change['id']}/approve", {}))["state"] == "carried"
    events = await approval.published(change["member"]["id"])
    assert isinstance(events[0].data, MemberAdded)
    assert events[0].data.change_id == change["id"]
    assert (await approval.call(ADMIN, "DELETE", f"{MEMBERS}/new@contoso.example")).status_code == 204


async def test_of_two_proposals_for_the_same_new_member_the_second_is_void(approval: Approval) -> None:
    body = {"email": "twice@contoso.example", "name": "Tia Twice", "roles": ["lockbox_approver"]}
    first, second = [(await approval.call(ADMIN, "POST", MEMBERS, body)).json() for _ in range(2)]
    assert (await approval.done(DPO, f"{CHANGES}/{first['id']}/approve", {}))["state"] == "carried"
    assert (await approval.done(DPO, f"{CHANGES}/{second['id']}/approve", {}))["state"] == "void"
    assert (await approval.call(ADMIN, "DELETE", f"{MEMBERS}/twice@contoso.example")).status_code == 204


async def test_the_other_persons_password_is_not_reset_by_one(approval: Approval) -> None:
    for verb, path in (("POST", "password-reset"), ("DELETE", "factors")):
        response = await approval.call(ADMIN, verb, f"{MEMBERS}/{DPO}/{path}")
        assert response.status_code == 202, response.text
        change = response.json()
        assert change["state"] == "open"
        # The one whose password it is says no.
        assert (await approval.done(DPO, f"{CHANGES}/{change['id']}/deny", {}))["state"] == "rejected"
    dpo = await approval.member(DPO)
    assert "member.password_reset" not in types(await approval.published(dpo.id))


async def test_a_password_that_was_reset_before_the_role_opens_nothing_after_it(approval: Approval) -> None:
    """Whoever resets somebody's password and has him made an approver is not that approver: he sets up anew."""
    reset = await approval.call(HELPDESK, "POST", f"{MEMBERS}/{USER}/password-reset")
    assert reset.status_code == 202, reset.text
    assert reset.json() == {"sent_to": USER}
    change = (await approval.call(ADMIN, "PUT", f"{MEMBERS}/{USER}/roles/lockbox_approver")).json()
    token = await approval.new_token(USER)
    assert (await approval.done(DPO, f"{CHANGES}/{change['id']}/approve", {}))["state"] == "carried"
    ended = await approval.http.get("/v1/me", headers={"authorization": f"Bearer {token}"})
    assert ended.status_code == 401
    stored = await approval.pool.fetchval("SELECT password_hash FROM members WHERE email = $1", USER)
    assert stored is None


async def test_nobody_gets_below_two_by_removing_people(approval: Approval) -> None:
    for path in (f"{MEMBERS}/{DPO}", f"{MEMBERS}/{DPO}/roles/lockbox_approver"):
        refused(await approval.call(ADMIN, "DELETE", path), 409, "too_few_approvers")
    assert "lockbox_approver" in await roles(approval, DPO)


async def test_whoever_lost_the_right_to_ask_for_it_carries_nothing_by_others_votes(approval: Approval) -> None:
    """A global admin who proposes a role and is an approver only by then: roles are for global admins to give."""
    await appoint(approval, HELPDESK, role="global_admin")
    change = (await approval.call(HELPDESK, "PUT", f"{MEMBERS}/{USER}/roles/lockbox_approver")).json()
    await dismiss(approval, HELPDESK)
    await appoint(approval, HELPDESK)
    assert (await approval.done(DPO, f"{CHANGES}/{change['id']}/approve", {}))["state"] == "void"
    assert await roles(approval, USER) == set()


async def test_switching_off_and_lowering_and_then_deciding_alone_leads_to_no_access(approval: Approval) -> None:
    request_id = await approval.passed_on()
    changes: list[dict[str, Any]] = [{"enabled": False}, {"approvals_required": 1}, {"services": []}]
    for change in changes:
        assert (await put(approval, DPO, **change)).status_code == 202
    assert (await settings(approval))["approvals_required"] == 2
    assert (await approval.done(DPO, f"/v1/requests/{request_id}/approve", {}))["state"] == "awaiting_customer"
    later = await approval.passed_on()
    assert (await approval.shown(later))["approvals_required"] == 2


async def test_a_proposal_is_an_event_that_names_what_and_by_whom_before_anybody_votes(approval: Approval) -> None:
    since = len(await approval.published("contoso"))
    response = await put(approval, DPO, enabled=False)
    (event,) = (await approval.published("contoso"))[since:]
    fact = event.data
    assert isinstance(fact, ChangeProposed)
    assert (fact.change_id, fact.by.email, fact.approvals_required) == (response.json()["id"], DPO, 2)
    assert fact.changes["enabled"].before is True
    assert event.actor.type == "member"


async def test_a_key_that_is_sent_again_proposes_once(approval: Approval) -> None:
    body = {"email": f"{new_id()[-8:]}@contoso.example", "name": "Kim Key", "roles": ["lockbox_approver"]}
    first, again = [await approval.call(ADMIN, "POST", MEMBERS, body, idempotency_key="propose") for _ in range(2)]
    assert (first.status_code, first.content) == (202, again.content)


async def test_the_settings_page_of_another_tenant_is_no_way_in(approval: Approval) -> None:
    body = (await approval.call("admin@fabrikam.example", "GET", "/v1/tenants/fabrikam/settings")).json()
    refused(await approval.call("admin@fabrikam.example", "PUT", SETTINGS, body), 404, "not_found")
