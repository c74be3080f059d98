"""Engineers see their own requests, managers and the provider's auditors all; roles and sessions are read at each call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.events.envelope import new_id
from shared.events.values import Person
from tests.integration.request_api.said import (
    member_added,
    member_removed,
    password_reset,
    role_assigned,
    role_removed,
    session_revoked,
)
from tests.integration.request_api.world import World, asked


async def listed(here: World, person: Person, **query: Any) -> list[str]:
    """Read a whole list, page by page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await here.http.get("/v1/requests", params=query | cursor, headers=here.session(person))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_each_sees_his_own_and_overseers_see_all(here: World) -> None:
    tenant, other = await here.tenant(), await here.tenant()
    eve, erin = await here.person("engineer"), await here.person("engineer")
    manager, auditor, operator = [await here.person(role) for role in ("manager", "auditor", "operator")]
    made = [(await here.submit(person, name))["id"] for person, name in ((eve, tenant), (erin, tenant), (eve, other))]

    assert await listed(here, eve) == [made[2], made[0]]
    assert await listed(here, erin) == [made[1]]
    for overseer in (manager, auditor):
        assert await listed(here, overseer, tenant=tenant) == [made[1], made[0]]
    assert await listed(here, eve, tenant=other) == [made[2]]
    assert await listed(here, eve, tenant="nobody-knows-it") == []
    refused = await here.http.get("/v1/requests", headers=here.session(operator))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    for person, status in ((eve, 200), (erin, 404), (manager, 200), (auditor, 200), (operator, 404)):
        answer = await here.http.get(f"/v1/requests/{made[0]}", headers=here.session(person))
        assert answer.status_code == status


async def test_a_list_is_read_in_pages_from_the_newest_on(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = [(await here.submit(eve, tenant))["id"] for _ in range(7)]
    assert await listed(here, eve, limit=3) == made[::-1]
    assert await listed(here, eve, limit=7) == made[::-1]


async def test_a_list_is_filtered_by_the_state_as_it_is_now(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    waiting = await here.submit(eve, tenant)
    withdrawn = await here.submit(eve, tenant)
    await here.http.post(f"/v1/requests/{withdrawn['id']}/withdraw", headers=here.session(eve))
    approved = await here.approved(eve, tenant)
    active = await here.approved(eve, tenant)
    await here.token(eve, active["id"])
    # Its time is over though nobody has said so yet.
    over = await here.submit(eve, tenant)
    await here.approve(over["id"], access_from=datetime.now(UTC) - timedelta(hours=3))
    for state, made in (
        ("awaiting_provider", waiting),
        ("withdrawn", withdrawn),
        ("approved", approved),
        ("active", active),
        ("ended", over),
    ):
        assert await listed(here, eve, state=state) == [made["id"]]
    assert await listed(here, eve, state="denied") == []


@pytest.mark.parametrize("path", ["withdraw", "answers", "token"])
async def test_who_sees_a_request_of_another_may_not_change_it(here: World, path: str) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    before = await here.stored()
    for role in ("manager", "auditor"):
        body = {"text": "Because."} if path == "answers" else None
        overseer = await here.person(role)
        answer = await here.http.post(f"/v1/requests/{made['id']}/{path}", json=body, headers=here.session(overseer))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await here.stored() == before


async def test_a_manager_may_ask_himself_and_acts_as_such(here: World) -> None:
    tenant, manager = await here.tenant(), await here.person("manager")
    made = await here.submit(manager, tenant)
    (event,) = await here.events(made["id"])
    assert (event.actor.id, event.actor.type) == (manager.id, "manager")


async def submits(here: World, headers: dict[str, str], tenant: str) -> int:
    answer = await here.http.post("/v1/requests", json=asked(tenant), headers=headers)
    reads = await here.http.get("/v1/requests", headers=headers)
    assert (answer.status_code == 201) == (reads.status_code == 200)
    return answer.status_code


async def test_a_role_counts_from_its_giving_to_its_taking(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person()
    headers = here.session(eve)
    assert await submits(here, headers, tenant) == 403
    await here.hear(role_assigned(eve, "engineer"))
    assert await submits(here, headers, tenant) == 201
    await here.hear(role_removed(eve, "engineer"))
    assert await submits(here, headers, tenant) == 403


async def test_nobody_is_let_in_of_whom_nothing_was_heard(here: World) -> None:
    stranger = Person(id=new_id(), email="nobody@provider.example", name="Nobody")
    assert await submits(here, here.session(stranger), await here.tenant()) == 403


async def test_a_removed_member_is_out_and_comes_back_without_his_roles_and_sessions(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    headers = here.session(eve)
    await here.hear(member_removed(eve))
    assert await submits(here, headers, tenant) == 401
    await here.hear(member_added(eve))
    assert await submits(here, here.session(eve), tenant) == 403
    await here.hear(role_assigned(eve, "engineer"))
    assert await submits(here, here.session(eve), tenant) == 201
    assert await submits(here, headers, tenant) == 401


async def test_a_revoked_session_is_over_and_the_others_go_on(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    session_id = new_id()
    one, other = here.session(eve, session_id=session_id), here.session(eve)
    assert await submits(here, one, tenant) == 201
    await here.hear(session_revoked(eve, session_id=session_id, before=datetime.now(UTC)))
    assert await submits(here, one, tenant) == 401
    assert await submits(here, other, tenant) == 201


async def test_all_sessions_of_before_an_instant_are_over_and_a_new_one_is_not(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    for end in (session_revoked(eve, session_id=None, before=datetime.now(UTC)), password_reset(eve)):
        earlier = datetime.now(UTC) - timedelta(seconds=10)
        old = here.session(eve, now=earlier, session_id="no-uuid")
        await here.hear(end)
        assert await submits(here, old, tenant) == 401
        assert await submits(here, here.session(eve, now=datetime.now(UTC) + timedelta(seconds=1)), tenant) == 201
