"""A change that weakens protection waits for as many people as a request does, and nobody gets past them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.approval.actions import ACTIONS
from services.approval.actions.settings import ChangeSettings
from services.approval.administering import Done, Work
from services.approval.domain.refusals import Refused
from shared.events.envelope import new_id
from shared.events.tenants import ChangeProposed, ChangeVoted, LockboxDisabled, TenantSettingsChanged
from tests.integration.approval.rules import (
    ADMIN,
    AUDITOR,
    CHANGES,
    DPO,
    HELPDESK,
    SETTINGS,
    appoint,
    dismiss,
    put,
    require,
    settings,
)
from tests.integration.approval.system import Approval, refused, types

USER, MAX, OTTO = "user@contoso.example", "max@provider.example", "otto@provider.example"


@pytest.fixture(autouse=True)
async def rule_of_two(approval: Approval) -> AsyncIterator[None]:
    """Contoso with two people who decide, both of whom it takes; whatever a test made of its settings is undone."""
    whole = await approval.pool.fetchval("SELECT settings FROM tenants WHERE tenant = 'contoso'")
    await require(approval, 2)
    yield
    await dismiss(approval, HELPDESK, AUDITOR)
    await appoint(approval, DPO)
    await appoint(approval, ADMIN, role="global_admin")
    await approval.pool.execute("UPDATE changes SET state = 'void' WHERE state = 'open'")
    await approval.pool.execute("UPDATE tenants SET settings = $1, entitled = true WHERE tenant = 'contoso'", whole)


async def proposed(approval: Approval, who: str = DPO, **changes: Any) -> dict[str, Any]:
    """Have a weakening change put to the vote."""
    before = await settings(approval)
    response = await put(approval, who, **(changes or {"enabled": False}))
    assert response.status_code == 202, response.text
    assert await settings(approval) == before
    change: dict[str, Any] = response.json()
    return change


async def voted(approval: Approval, who: str, change: dict[str, Any], verb: str = "approve") -> dict[str, Any]:
    return await approval.done(who, f"{CHANGES}/{change['id']}/{verb}", {})


async def shown(approval: Approval, change: dict[str, Any]) -> dict[str, Any]:
    response = await approval.call(AUDITOR, "GET", f"{CHANGES}/{change['id']}")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def told(approval: Approval, since: int) -> list[Any]:
    return (await approval.published("contoso"))[since:]


async def so_far(approval: Approval) -> int:
    return len(await approval.published("contoso"))


async def test_the_second_persons_vote_carries_it_out_and_each_step_is_an_event(approval: Approval) -> None:
    since, was = await so_far(approval), await settings(approval)
    change = await proposed(
        approval, DPO, enabled=False, max_duration="PT4H", decision_window="P1D", links_in_mail=False
    )
    assert (change["state"], change["kind"], change["approvals_required"]) == ("open", "settings", 2)
    assert change["proposed_by"]["email"] == DPO
    assert [(one["by"]["email"], one["vote"]) for one in change["votes"]] == [(DPO, "approve")]
    assert change["changes"].keys() == {"enabled", "decision_window", "links_in_mail"}
    assert (change["changes"]["enabled"]["before"], change["changes"]["enabled"]["after"]) == (True, False)
    carried = await voted(approval, ADMIN, change)
    assert carried["state"] == "carried"
    assert carried["settled_at"]
    assert [one["by"]["email"] for one in carried["votes"]] == [DPO, ADMIN]
    assert await shown(approval, change) == carried
    now = await settings(approval)
    assert (now["enabled"], now["decision_window"], now["links_in_mail"]) == (False, "P1D", False)
    assert now["version"] == was["version"] + 2
    events = await told(approval, since)
    assert types(events) == [
        "tenant.change_proposed",
        "tenant.change_voted",
        "tenant.lockbox_disabled",
        "tenant.settings_changed",
    ]
    first, vote, off, changed = (event.data for event in events)
    assert isinstance(first, ChangeProposed)
    assert isinstance(vote, ChangeVoted)
    assert isinstance(off, LockboxDisabled)
    assert isinstance(changed, TenantSettingsChanged)
    assert {one.change_id for one in (first, vote, off, changed)} == {change["id"]}
    assert (first.by.email, vote.by.email, vote.vote, vote.outcome) == (DPO, ADMIN, "approve", "carried")
    assert (off.by.email, off.changes["enabled"].before, off.changes["enabled"].after) == (ADMIN, True, False)
    assert len({event.time for event in events[1:]}) == 1


async def test_what_weakens_nothing_takes_nobody_else(approval: Approval) -> None:
    response = await put(approval, DPO, decision_window="PT6H", notify=["soc@contoso.example"], second_factor="any")
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"approvals_required": 1},
        {"decision_window": "PT12H1S"},
        {"services": ["exchange-online"]},
        {"services": [], "links_in_mail": False},
    ],
)
async def test_every_weakening_waits_and_one_denial_rejects_it(approval: Approval, change: dict[str, Any]) -> None:
    since = await so_far(approval)
    waiting = await proposed(approval, ADMIN, **change)
    rejected = await voted(approval, DPO, waiting, "deny")
    assert rejected["state"] == "rejected"
    events = await told(approval, since)
    assert types(events) == ["tenant.change_proposed", "tenant.change_voted"]
    assert events[-1].data.outcome == "rejected"
    refused(await approval.call(DPO, "POST", f"{CHANGES}/{waiting['id']}/approve", {}), 409, "change_closed")
    refused(await approval.call(ADMIN, "POST", f"{CHANGES}/{waiting['id']}/deny", {}), 409, "change_closed")


async def test_its_proposer_takes_it_back_and_nobody_else_changes_his_vote(approval: Approval) -> None:
    await appoint(approval, HELPDESK)
    await require(approval, 3)
    change = await proposed(approval)
    await voted(approval, ADMIN, change)
    for verb in ("approve", "deny"):
        refused(await approval.call(ADMIN, "POST", f"{CHANGES}/{change['id']}/{verb}", {}), 409, "already_voted")
    taken_back = await voted(approval, DPO, change, "deny")
    assert taken_back["state"] == "rejected"
    assert {one["by"]["email"]: one["vote"] for one in taken_back["votes"]} == {ADMIN: "approve", DPO: "deny"}


async def test_with_three_required_the_second_vote_leaves_it_open(approval: Approval) -> None:
    await appoint(approval, HELPDESK)
    await require(approval, 3)
    since = await so_far(approval)
    change = await proposed(approval)
    assert (await voted(approval, ADMIN, change))["state"] == "open"
    assert (await voted(approval, HELPDESK, change))["state"] == "carried"
    outcomes = [event.data.outcome for event in await told(approval, since) if isinstance(event.data, ChangeVoted)]
    assert outcomes == [None, "carried"]


async def test_a_change_of_which_the_time_is_over_takes_no_vote(approval: Approval) -> None:
    change = await proposed(approval)
    await approval.pool.execute("UPDATE changes SET expires_at = clock_timestamp() WHERE id = $1", change["id"])
    assert (await shown(approval, change))["state"] == "expired"
    for verb in ("approve", "deny"):
        refused(await approval.call(ADMIN, "POST", f"{CHANGES}/{change['id']}/{verb}", {}), 409, "change_closed")
    assert (await settings(approval))["enabled"] is True


# What one person may try alone.


async def test_one_person_does_not_vote_twice_not_even_from_another_session(approval: Approval) -> None:
    change = await proposed(approval)
    refused(await approval.call(DPO, "POST", f"{CHANGES}/{change['id']}/approve", {}), 409, "already_voted")
    headers = {"authorization": f"Bearer {await approval.new_token(DPO)}"}
    again = await approval.http.post(f"{CHANGES}/{change['id']}/approve", headers=headers, json={})
    refused(again, 409, "already_voted")
    assert (await shown(approval, change))["state"] == "open"


async def test_proposing_twice_is_no_second_vote(approval: Approval) -> None:
    await proposed(approval, DPO, approvals_required=1)
    await proposed(approval, DPO, approvals_required=1)
    assert (await settings(approval))["approvals_required"] == 2


async def test_two_steps_of_which_neither_weakens_alone_are_no_way_around(approval: Approval) -> None:
    raised = await put(
        approval, DPO, services=["exchange-online", "sharepoint-online", "onedrive-for-business", "skype-for-business"]
    )
    assert raised.status_code == 200
    both = await put(approval, DPO, approvals_required=1, second_factor="passkey", decision_window="PT15M")
    assert both.status_code == 202
    # The number that is counted is the one from before the change, whatever the change itself says.
    assert both.json()["approvals_required"] == 2
    assert (await settings(approval))["second_factor"] == "off"


async def test_lowering_the_number_first_does_not_lower_it_for_what_was_proposed_before(approval: Approval) -> None:
    await appoint(approval, HELPDESK)
    await require(approval, 3)
    change = await proposed(approval)
    await require(approval, 1)
    assert (await voted(approval, ADMIN, change))["state"] == "open"


async def test_raising_the_number_while_it_waits_counts(approval: Approval) -> None:
    await appoint(approval, HELPDESK)
    change = await proposed(approval)
    await require(approval, 3)
    assert (await voted(approval, ADMIN, change))["state"] == "open"


async def test_settings_that_changed_meanwhile_make_it_void_and_leave_them_alone(approval: Approval) -> None:
    change = await proposed(approval, DPO, enabled=False)
    changed = await put(approval, DPO, notify=["soc@contoso.example"])
    assert changed.status_code == 200
    since = await so_far(approval)
    void = await voted(approval, ADMIN, change)
    assert void["state"] == "void"
    assert await settings(approval) == changed.json()
    events = await told(approval, since)
    assert types(events) == ["tenant.change_voted"]
    assert events[0].data.outcome == "void"
    refused(await approval.call(ADMIN, "POST", f"{CHANGES}/{change['id']}/approve", {}), 409, "change_closed")


async def test_of_two_changes_of_the_same_settings_one_is_carried_and_the_other_void(approval: Approval) -> None:
    first, second = await proposed(approval, DPO, enabled=False), await proposed(approval, ADMIN, approvals_required=1)
    assert (await voted(approval, ADMIN, first))["state"] == "carried"
    assert (await voted(approval, DPO, second))["state"] == "void"
    assert (await settings(approval))["approvals_required"] == 2


async def test_whoever_has_lost_the_role_counts_no_more(approval: Approval) -> None:
    await appoint(approval, HELPDESK, AUDITOR)
    await require(approval, 3)
    change = await proposed(approval)
    await voted(approval, HELPDESK, change)
    await dismiss(approval, HELPDESK)
    assert (await voted(approval, ADMIN, change))["state"] == "open"
    assert (await voted(approval, AUDITOR, change))["state"] == "carried"


async def test_what_its_proposer_may_no_longer_ask_for_is_void(approval: Approval) -> None:
    await appoint(approval, HELPDESK, AUDITOR)
    change = await proposed(approval)
    await dismiss(approval, DPO)
    assert (await voted(approval, ADMIN, change))["state"] == "open"
    assert (await voted(approval, HELPDESK, change))["state"] == "void"
    now = await approval.call(ADMIN, "GET", SETTINGS)
    assert now.json()["enabled"] is True


async def test_two_who_agree_at_once_carry_it_once(approval: Approval) -> None:
    await appoint(approval, HELPDESK, AUDITOR)
    change = await proposed(approval)
    path = f"{CHANGES}/{change['id']}/approve"
    answers = await asyncio.gather(*(approval.call(who, "POST", path, {}) for who in (ADMIN, HELPDESK, AUDITOR, ADMIN)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    assert {one.json()["code"] for one in answers if one.status_code == 409} <= {"change_closed", "already_voted"}
    assert (await shown(approval, change))["state"] == "carried"


async def test_a_vote_and_the_loss_of_a_role_at_once_carry_nothing_that_the_loss_forbids(approval: Approval) -> None:
    await appoint(approval, HELPDESK)
    for _ in range(5):
        await appoint(approval, DPO)
        change = await proposed(approval, DPO, approvals_required=1)
        answer, _ = await asyncio.gather(
            approval.call(ADMIN, "POST", f"{CHANGES}/{change['id']}/approve", {}), dismiss(approval, DPO)
        )
        assert answer.status_code == 200
        # Before the loss it is carried; after it one vote of two is left.
        assert answer.json()["state"] in ("carried", "open")
        carried = answer.json()["state"] == "carried"
        left = await approval.pool.fetchval(
            "SELECT settings->>'approvals_required' FROM tenants WHERE tenant = 'contoso'"
        )
        assert left == ("1" if carried else "2")
        await require(approval, 2)
        await approval.pool.execute("UPDATE changes SET state = 'void' WHERE state = 'open'")


async def test_a_repeated_vote_with_the_same_key_counts_once_and_has_the_same_answer(approval: Approval) -> None:
    change = await proposed(approval)
    path = f"{CHANGES}/{change['id']}/approve"
    first, again = [await approval.call(ADMIN, "POST", path, {}, idempotency_key="vote") for _ in range(2)]
    assert (first.status_code, first.content) == (200, again.content)


@pytest.mark.parametrize(
    ("who", "reading", "listing", "voting"),
    [
        (AUDITOR, 200, 200, 403),
        (HELPDESK, 200, 200, 403),
        (USER, 404, 403, 404),
        ("admin@fabrikam.example", 404, 404, 404),
        (MAX, 404, 404, 404),
        (OTTO, 404, 404, 404),
    ],
)
async def test_who_does_not_decide_votes_on_nothing(
    approval: Approval, who: str, reading: int, listing: int, voting: int
) -> None:
    change = await proposed(approval)
    before = await approval.everything()
    path = f"{CHANGES}/{change['id']}"
    assert (await approval.call(who, "GET", path)).status_code == reading
    assert (await approval.call(who, "GET", CHANGES)).status_code == listing
    for verb in ("approve", "deny"):
        response = await approval.call(who, "POST", f"{path}/{verb}", {})
        refused(response, voting, {403: "forbidden", 404: "not_found"}[voting])
    assert await approval.everything() == before


async def test_the_list_shows_them_in_pages_newest_first(approval: Approval) -> None:
    ids = [(await proposed(approval))["id"] for _ in range(3)]
    first = (await approval.call(AUDITOR, "GET", f"{CHANGES}?limit=2")).json()
    rest = (await approval.call(AUDITOR, "GET", f"{CHANGES}?limit=2&cursor={first['next_cursor']}")).json()
    assert [one["id"] for one in first["items"] + rest["items"]][:3] == ids[::-1]
    refused(await approval.call(AUDITOR, "GET", f"{CHANGES}?cursor=x"), 422, "invalid_request", "cursor")


async def test_another_tenants_change_does_not_exist(approval: Approval) -> None:
    change = await proposed(approval)
    theirs = f"/v1/tenants/fabrikam/changes/{change['id']}"
    for who in (ADMIN, "admin@fabrikam.example"):
        refused(await approval.call(who, "GET", theirs), 404, "not_found")
        refused(await approval.call(who, "POST", f"{theirs}/approve", {}), 404, "not_found")
    refused(await approval.call(ADMIN, "POST", f"{CHANGES}/{new_id()}/approve", {}), 404, "not_found")


async def test_what_could_not_be_carried_out_is_not_put_to_the_vote(approval: Approval) -> None:
    read = await settings(approval)
    old = read | {"enabled": False, "version": read["version"] - 1}
    refused(await approval.call(DPO, "PUT", SETTINGS, old), 409, "settings_changed")
    wrong = read | {"enabled": False, "services": ["teams"]}
    refused(await approval.call(DPO, "PUT", SETTINGS, wrong), 422, "invalid_request", "services.0")
    more = await put(approval, DPO, enabled=False, approvals_required=3)
    refused(more, 422, "invalid_request", "approvals_required")


class HalfDone(ChangeSettings):
    """An action that finds out in its middle that it cannot be carried out."""

    async def perform(self, work: Work) -> Done:
        await super().perform(work)
        raise Refused("too_late", "It cannot be done any more.")


async def test_what_fails_in_its_middle_leaves_nothing_of_itself_but_the_vote(
    approval: Approval, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = await proposed(approval)
    monkeypatch.setitem(ACTIONS, "settings", HalfDone)
    since, before = await so_far(approval), await settings(approval)
    assert (await voted(approval, ADMIN, change))["state"] == "void"
    assert await settings(approval) == before
    events = await told(approval, since)
    assert types(events) == ["tenant.change_voted"]
    assert events[0].data.outcome == "void"


@pytest.mark.parametrize("body", [{"vote": "approve"}, [], "approve", 1])
async def test_a_vote_says_nothing_else(approval: Approval, body: object) -> None:
    change = await proposed(approval)
    for verb in ("approve", "deny"):
        response = await approval.call(ADMIN, "POST", f"{CHANGES}/{change['id']}/{verb}", body)
        assert response.status_code == 422
    assert (await shown(approval, change))["state"] == "open"
