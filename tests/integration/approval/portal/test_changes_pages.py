"""The pages of changes to vote on: a rule of two holds, a person counts once, and everybody with a role sees what is proposed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.approval.portal.administration import (
    ADMIN,
    AUDITOR,
    DPO,
    HELPDESK,
    OTTO,
    USER,
    browser_of,
    mailed_link,
    statuses,
    went,
)
from tests.integration.approval.portal.browsing import form_to, forms_of, text_of
from tests.integration.approval.rules import require
from tests.integration.approval.system import Approval


@pytest.fixture(autouse=True)
async def _two_must_agree(approval: Approval) -> AsyncIterator[None]:
    await require(approval, 2)
    yield
    await require(approval, 1)


async def proposed(approval: Approval, **changes: Any) -> str:
    """Have the admin propose a change of settings; give the path of its page."""
    path = "/v1/tenants/contoso/settings"
    now = (await approval.call(ADMIN, "GET", path)).json()
    answer = await approval.call(ADMIN, "PUT", path, now | changes)
    assert answer.status_code == 202, answer.text
    return f"/changes/{answer.json()['id']}"


async def test_a_change_of_settings_is_proposed_seen_before_and_after_and_carried_by_a_second_vote(
    approval: Approval,
) -> None:
    path = await proposed(approval, max_duration="PT3H", enabled=False, services=["exchange-online"])
    voter = await browser_of(approval, DPO)
    assert "Your vote is missing" in text_of(await voter.open("/changes"))
    page = await voter.open(path)
    seen = text_of(page)
    assert "Change the settings: Lockbox, Longest access, Services covered" in seen
    assert "on: no access without your decision off: the provider decides alone" in seen
    assert "removed: SharePoint Online" in seen
    assert "1 of 2 approvals . It waits for 1 more vote." in seen.replace("approvals.", "approvals .")
    page = await voter.open(went(await voter.send(form_to(page, f"{path}/approve")), path))
    assert "carried out" in text_of(page)
    now = (await approval.call(DPO, "GET", "/v1/tenants/contoso/settings")).json()
    assert (now["max_duration"], now["enabled"], now["services"]) == ("PT3H", False, ["exchange-online"])


async def test_a_double_click_is_one_vote(approval: Approval) -> None:
    path = await proposed(approval, decision_window="P2D")
    voter = await browser_of(approval, DPO)
    form = form_to(await voter.open(path), f"{path}/approve")
    for answer in await asyncio.gather(*(voter.send(form) for _ in range(3))):
        went(answer, path)
    change = (await approval.call(DPO, "GET", f"/v1/tenants/contoso{path}")).json()
    assert (change["state"], len(change["votes"])) == ("carried", 2)


async def test_one_denial_rejects_a_change_and_a_settled_one_takes_no_vote(approval: Approval) -> None:
    path = await proposed(approval, decision_window="P3D")
    voter = await browser_of(approval, DPO)
    form = form_to(await voter.open(path), f"{path}/approve")
    page = await voter.open(went(await voter.send(form, f"{path}/deny"), path))
    assert "rejected" in text_of(page)
    assert "Approve the change" not in text_of(page)
    late = await voter.send(form, key="another")
    assert late.status_code == 409
    assert "already" in text_of(late)


async def test_nobody_votes_twice_and_the_proposer_has_voted(approval: Approval) -> None:
    path = await proposed(approval, decision_window="P4D")
    proposer = await browser_of(approval, ADMIN)
    page = await proposer.open(path)
    assert "A person counts once" in text_of(page)
    assert not [form for form in forms_of(page) if form.action.startswith(path)]
    form = form_to(await (await browser_of(approval, DPO)).open(path), f"{path}/approve")
    mine = form_to(await proposer.open("/settings"), "/settings")
    refused = await proposer.post(f"{path}/approve", [("csrf", mine.value("csrf")), ("key", form.value("key"))])
    assert refused.status_code == 409
    assert "You have already given your vote" in text_of(refused)


async def test_the_others_read_a_change_and_cannot_vote_and_strangers_see_nothing(approval: Approval) -> None:
    path = await proposed(approval, decision_window="P5D")
    people = (AUDITOR, HELPDESK, USER, "admin@fabrikam.example", OTTO)
    assert list((await statuses(approval, path, *people)).values()) == [200, 200, 404, 404, 404]
    reader = await browser_of(approval, AUDITOR)
    page = await reader.open(path)
    assert "Global administrators and lockbox approvers vote on it" in text_of(page)
    csrf = form_to(await reader.open("/account"), "/account/password").value("csrf")
    assert (await reader.post(f"{path}/approve", [("csrf", csrf)])).status_code == 403
    assert (await reader.get("/changes/nothing")).status_code == 404
    assert (await reader.post(f"{path}/celebrate", [("csrf", csrf)])).status_code == 404


async def test_a_privileged_role_waits_for_a_second_vote_and_then_begins_anew(approval: Approval) -> None:
    admin, voter = await browser_of(approval, ADMIN), await browser_of(approval, DPO)
    act = "/members/user@contoso.example/roles/lockbox_approver/give"
    asked = await admin.open(act)
    assert "this waits for as many votes" in text_of(asked)
    path = went(await admin.send(form_to(asked, act)), "/changes/").partition("?")[0]
    page = await voter.open(path)
    assert "Give Uma Udo (Contoso) the role Lockbox approver" in text_of(page)
    assert "the account begins anew" in text_of(page)
    went(await voter.send(form_to(page, f"{path}/approve")), path)
    assert (await mailed_link(approval, USER)).startswith("/setup?token=")


async def test_a_form_of_another_persons_page_is_refused(approval: Approval) -> None:
    path = await proposed(approval, decision_window="P6D")
    form = form_to(await (await browser_of(approval, DPO)).open(path), f"{path}/approve")
    other = await browser_of(approval, "admin@contoso.example")
    assert (await other.send(form)).status_code == 403
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await (await browser_of(approval, DPO)).send(form, headers=foreign)).status_code == 403
