"""Lists of requests are narrowed by what people look for, and read in the order in which they are needed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from shared.events.envelope import new_id
from shared.events.values import Engineer, Reason, Resource
from tests.integration.approval.rules import DPO
from tests.integration.approval.system import Approval, refused

MAX, ADA, EVE, ERIN = (f"{name}@provider.example" for name in ("max", "ada", "eve", "erin"))


async def listed(approval: Approval, who: str, **query: Any) -> list[dict[str, Any]]:
    response = await approval.call(who, "GET", f"/v1/requests?{urlencode(query)}")
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def ids(approval: Approval, who: str, **query: Any) -> list[str]:
    return [one["id"] for one in await listed(approval, who, limit=1000, **query)]


async def test_what_waits_is_read_soonest_deadline_first_page_by_page(approval: Approval) -> None:
    hours = [9, 3, 7, 3, 5]
    mine = [await approval.passed_on(window=timedelta(hours=one), ticket="T-deadline") for one in hours]
    # Two with the same deadline to the microsecond come by their ids.
    await approval.pool.execute(
        "UPDATE requests SET decide_by = (SELECT decide_by FROM requests WHERE id = $1) WHERE id = $2", mine[1], mine[3]
    )
    expected = [mine[1], mine[3], mine[4], mine[2], mine[0]]
    query = {"state": "awaiting_customer", "order": "deadline", "q": "T-deadline"}
    assert await ids(approval, DPO, **query) == expected
    assert await ids(approval, MAX, **query) == expected
    newest = [one for one in await ids(approval, DPO, state="awaiting_customer") if one in mine]
    assert newest == sorted(mine, reverse=True)


async def test_pages_of_a_waiting_list_overlap_nowhere_and_leave_nothing_out(approval: Approval) -> None:
    mine = {await approval.passed_on(window=timedelta(hours=1), ticket="T-pages") for _ in range(5)}
    read: list[str] = []
    cursor = ""
    for _ in range(4):
        query = f"order=deadline&q=T-pages&limit=2{cursor}"
        page = (await approval.call(DPO, "GET", f"/v1/requests?{query}")).json()
        read += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={quote(page['next_cursor'])}"
    assert len(read) == len(mine)
    assert set(read) == mine


async def test_a_list_is_narrowed_by_service_engineer_and_time(approval: Approval) -> None:
    erin = await approval.member(ERIN)
    theirs = await approval.passed_on(engineer=Engineer(id=erin.id, email=erin.email, name=erin.name))
    site = await approval.passed_on(
        service="sharepoint-online", resources=[Resource(id="sharepoint-online/sites/legal", operations=["read"])]
    )
    assert theirs in await ids(approval, DPO, engineer=ERIN)
    assert theirs in await ids(approval, DPO, engineer=ERIN.upper())
    assert site not in await ids(approval, DPO, engineer=ERIN)
    assert theirs not in await ids(approval, MAX, engineer=EVE)
    assert site in await ids(approval, DPO, service="sharepoint-online")
    assert theirs not in await ids(approval, DPO, service="sharepoint-online")
    assert await ids(approval, DPO, service="nothing") == []
    at = (await approval.shown(site))["submitted_at"]
    assert site in await ids(approval, DPO, since=at)
    assert site not in await ids(approval, DPO, until=at)
    assert theirs in await ids(approval, DPO, until=at)


@pytest.mark.parametrize("text", ["t-needle-77", "ERIN", "erin@provider", "mailboxes/nadel", "Straße", "100%_sicher"])
async def test_text_is_found_in_ticket_engineer_reason_and_resource_and_taken_as_it_is(
    approval: Approval, text: str
) -> None:
    erin = await approval.member(ERIN)
    found = await approval.passed_on(
        ticket="T-Needle-77",
        engineer=Engineer(id=erin.id, email=erin.email, name=erin.name),
        reason=Reason(category="customer_support", detail="In der Straße, 100%_sicher."),
        resources=[Resource(id="exchange-online/mailboxes/nadel", operations=["read"])],
    )
    other = await approval.passed_on(reason=Reason(category="customer_support", detail="100 percent sicher"))
    seen = await ids(approval, DPO, q=text)
    assert found in seen
    assert other not in seen


async def test_a_provider_looks_at_one_tenant_and_a_tenant_only_at_itself(approval: Approval) -> None:
    ours, theirs = await approval.submitted(), await approval.submitted(tenant="fabrikam")
    for who in (MAX, ADA, EVE):
        seen = await ids(approval, who, tenant="fabrikam")
        assert theirs in seen
        assert ours not in seen
        assert await ids(approval, who, tenant="nobody") == []
    passed_on = await approval.passed_on()
    assert passed_on in await ids(approval, DPO, tenant="contoso")
    for tenant in ("fabrikam", "nobody"):
        refused(await approval.call(DPO, "GET", f"/v1/requests?tenant={tenant}"), 404, "not_found")


async def test_no_filter_shows_what_the_scope_does_not(approval: Approval) -> None:
    waiting = await approval.submitted(ticket="T-hidden")
    theirs = await approval.passed_on(tenant="fabrikam", ticket="T-hidden")
    for query in ({"q": "T-hidden"}, {"engineer": EVE}, {"order": "deadline"}, {"state": "awaiting_provider"}):
        seen = await ids(approval, DPO, **query)
        assert not {waiting, theirs} & set(seen)
    assert await ids(approval, ERIN, engineer=EVE) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order", "oldest"),
        ("state", "waiting"),
        ("engineer", "nobody"),
        ("since", "yesterday"),
        ("until", "2026-01-01"),
        ("q", ""),
        ("q", "x" * 201),
        ("q", "a\0b"),
        ("service", "a\0b"),
        ("tenant", "Not A Tenant"),
        ("tenant", "provider"),
        ("cursor", "x"),
        ("cursor", "WyJ4Il0"),
        ("cursor", "WyJ4IiwieSJd"),
        ("limit", "0"),
    ],
)
async def test_a_filter_that_cannot_be_is_refused_by_its_name(approval: Approval, field: str, value: str) -> None:
    for who in (DPO, MAX):
        response = await approval.call(who, "GET", f"/v1/requests?{urlencode({field: value})}")
        refused(response, 422, "invalid_request", field)


async def test_the_tables_own_columns_follow_what_is_told_whatever_comes_first(approval: Approval) -> None:
    submission = await approval.submission(ticket="T-late")
    row = "SELECT service, engineer_email, submitted_at, decide_by, search FROM requests WHERE id = $1"
    assert await approval.pool.fetchrow(row, new_id()) is None
    await asyncio.gather(approval.hear(submission), approval.hear(submission))
    found = await approval.pool.fetchrow(row, submission.subject)
    assert found is not None
    assert found["service"] == "exchange-online"
    assert found["engineer_email"] == EVE
    assert found["decide_by"] == submission.data.decide_by
    assert "t-late" in found["search"]
