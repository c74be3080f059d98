"""The pages of requests: who sees what, and what becomes of what people do there."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from shared.events.values import Resource
from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import Approval, token_issued

DPO, ADMIN, AUDITOR, HELPDESK = (f"{name}@contoso.example" for name in ("dpo", "admin", "auditor", "helpdesk"))
USER, OTHER = "user@contoso.example", "dpo@fabrikam.example"
EVE, ERIN, MAX, ADA, OTTO = (f"{name}@provider.example" for name in ("eve", "erin", "max", "ada", "otto"))


async def test_an_approver_reads_a_request_and_approves_it(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    listed = await browser.open("/requests")
    assert f"/requests/{request_id}" in listed.text
    page = await browser.open(f"/?request={request_id}")
    said = text_of(page)
    for words in ("Eve Engel", "exchange-online/mailboxes/alice", "The mailbox does not open.", "2 hours", "T-1"):
        assert words in said
    assert (await approval.shown(request_id))["request_digest"] in said
    done = await browser.send(form_to(page, f"/requests/{request_id}/approve"), comment="Go on.")
    assert (done.status_code, done.headers["location"]) == (303, f"/requests/{request_id}?done=approve")
    after = await browser.open(done.headers["location"])
    assert "Your approval is recorded." in text_of(after)
    shown = await approval.shown(request_id)
    assert (shown["state"], shown["decisions"][-1]["comment"]) == ("approved", "Go on.")
    assert shown["grant"]["resources"] == shown["resources"]


async def test_an_approver_allows_less_than_was_asked(approval: Approval) -> None:
    asked = [
        Resource(id="exchange-online/mailboxes/alice", operations=["read", "write"]),
        Resource(id="exchange-online/mailboxes/bob", operations=["read"]),
    ]
    request_id = await approval.passed_on(resources=asked)
    browser = await Browser(approval).as_(DPO)
    path = f"/requests/{request_id}/approve"
    form = form_to(await browser.open(f"/requests/{request_id}"), path)
    assert [value for name, value in form.fields if name == "allow"] == ["0.0", "0.1", "1.0"]
    nothing = await browser.send(form, allow=[], comment="Why all?")
    assert nothing.status_code == 422
    assert "Leave at least one" in text_of(nothing)
    assert form_to(nothing, path).value("comment") == "Why all?"
    done = await browser.send(form, allow=["0.0"], duration="PT30M")
    assert done.status_code == 303, text_of(done)
    decision = (await approval.shown(request_id))["decisions"][-1]
    assert (decision["duration"], decision["resources"]) == (
        "PT30M",
        [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}],
    )
    assert "Less than was asked for: 30 minutes" in text_of(await browser.open(f"/requests/{request_id}"))


async def test_a_denial_without_a_reason_is_asked_for_one(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    path = f"/requests/{request_id}/deny"
    form = form_to(await browser.open(f"/requests/{request_id}"), path)
    page = await browser.send(form, path, comment="  ")
    assert page.status_code == 422
    assert "Please fill this in." in text_of(page)
    done = await browser.send(form, path, comment="Not today.")
    assert done.headers["location"] == f"/requests/{request_id}?done=deny"
    assert (await approval.shown(request_id))["state"] == "denied"


async def test_with_a_rule_of_two_the_page_counts_the_approvals(approval: Approval) -> None:
    rule = (
        "UPDATE tenants SET settings = settings || jsonb_build_object('approvals_required', $1::int) WHERE tenant = $2"
    )
    await approval.pool.execute(rule, 2, "fabrikam")
    request_id = await approval.passed_on(tenant="fabrikam")
    first, second = [await Browser(approval).as_(f"{name}@fabrikam.example") for name in ("dpo", "admin")]
    path = f"/requests/{request_id}/approve"
    page = await first.open(f"/requests/{request_id}")
    assert "It takes 2 approvals; 0 are given." in text_of(page)
    assert (await first.send(form_to(page, path))).status_code == 303
    page = await first.open(f"/requests/{request_id}")
    assert "Your vote is given." in text_of(page)
    assert path not in page.text
    page = await second.open(f"/requests/{request_id}")
    assert "1 of 2" in text_of(page)
    assert (await second.send(form_to(page, path), allow=["0.0"])).status_code == 303
    granted = await approval.shown(request_id)
    assert granted["state"] == "approved"
    assert granted["grant"]["resources"] == [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}]
    await approval.pool.execute(rule, 1, "fabrikam")


async def test_what_has_to_be_decided_soonest_stands_first(approval: Approval) -> None:
    late = await approval.passed_on(window=timedelta(hours=11))
    soon = await approval.passed_on(window=timedelta(minutes=20))
    for who in (DPO, MAX):
        listed = (await (await Browser(approval).as_(who)).open("/requests")).text
        assert listed.index(f"/requests/{soon}") < listed.index(f"/requests/{late}")


async def test_managers_decide_first_and_see_who_asks(approval: Approval) -> None:
    first, second = await approval.submitted(), await approval.submitted()
    browser = await Browser(approval).as_(MAX)
    listed = await browser.open("/requests")
    assert f"/requests/{first}" in listed.text
    page = await browser.open(f"/requests/{first}")
    done = await browser.send(form_to(page, f"/requests/{first}/provider-approve"), comment="Needed.")
    assert done.headers["location"] == f"/requests/{first}?done=provider-approve"
    page = await browser.open(f"/requests/{second}")
    path = f"/requests/{second}/provider-deny"
    assert (await browser.send(form_to(page, path), path, comment="")).status_code == 422
    assert (await browser.send(form_to(page, path), path, comment="No ticket.")).status_code == 303
    assert [(await approval.shown(one))["state"] for one in (first, second)] == ["awaiting_customer", "denied"]


async def test_questions_are_asked_by_both_sides(approval: Approval) -> None:
    request_id = await approval.passed_on()
    for who, text in ((MAX, "Which ticket?"), (DPO, "Why both?")):
        browser = await Browser(approval).as_(who)
        path = f"/requests/{request_id}/ask"
        page = await browser.open(f"/requests/{request_id}")
        assert (await browser.send(form_to(page, path), text=text)).status_code == 303
    shown = text_of(await (await Browser(approval).as_(EVE)).open(f"/requests/{request_id}"))
    assert "Which ticket?" in shown
    assert "Why both?" in shown
    assert "Your answer" in shown


async def test_access_in_force_is_listed_and_ended_with_a_reason(approval: Approval) -> None:
    granted = await approval.granted()
    await approval.hear(token_issued(granted))
    grant_id = granted["grant"]["id"]
    browser = await Browser(approval).as_(DPO)
    path = f"/grants/{grant_id}/revoke"
    page = await browser.open("/grants")
    assert "Access in use" in text_of(page)
    assert (await browser.send(form_to(page, path), reason="")).status_code == 422
    done = await browser.send(form_to(page, path), reason="Enough.")
    assert done.headers["location"] == f"/requests/{granted['id']}?done=revoke"
    assert "Access was ended" in text_of(await browser.open(done.headers["location"]))
    assert path not in (await browser.open("/grants")).text
    late = await browser.send(form_to(page, path), reason="Enough, really.")
    assert late.status_code in {409, 422}
    assert "Traceback" not in late.text


async def test_the_first_request_stands_beside_its_extension(approval: Approval) -> None:
    first = await approval.passed_on(ticket="T-first")
    second = await approval.passed_on(ticket="T-second", extends=first)
    page = await (await Browser(approval).as_(DPO)).open(f"/requests/{second}")
    assert "It continues an earlier access" in text_of(page)
    assert "T-first" in text_of(page)


@pytest.mark.parametrize(
    ("who", "sees", "forms"),
    [
        (DPO, True, {"approve", "ask"}),
        (ADMIN, True, {"approve", "ask"}),
        (HELPDESK, True, set()),
        (AUDITOR, True, set()),
        (USER, False, set()),
        (OTHER, False, set()),
        (MAX, True, {"ask"}),
        (ADA, True, set()),
        (EVE, True, {"withdraw"}),
        (ERIN, False, set()),
        (OTTO, False, set()),
    ],
)
async def test_everybody_sees_the_pages_of_his_roles_alone(
    approval: Approval, who: str, sees: bool, forms: set[str]
) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(who)
    page = await browser.get(f"/requests/{request_id}")
    assert page.status_code == (200 if sees else 404)
    offered = {
        name for name in ("approve", "provider-approve", "ask", "answer", "withdraw") if f'/{name}"' in page.text
    }
    assert offered == forms
    for path in ("/requests", "/grants", "/history"):
        listed = await browser.get(path)
        assert listed.status_code in {200, 403}
        assert (request_id in listed.text) <= sees
        assert text_of(listed)
    front = await browser.get("/")
    assert front.status_code == 303
    assert front.headers["location"] in {"/requests", "/account", "/tenants"}
    for verb in ("approve", "deny", "ask", "provider-approve"):
        if verb in forms or (verb == "deny" and "approve" in forms):
            continue
        pairs = [("csrf", _csrf(page)), ("comment", "So."), ("text", "Why?")]
        refused = await browser.post(f"/requests/{request_id}/{verb}", pairs)
        assert refused.status_code in {403, 404, 409}, (verb, refused.text)
    assert (await approval.shown(request_id))["state"] == "awaiting_customer"


def _csrf(page: httpx.Response) -> str:
    return form_to(page, "/sign-out").value("csrf")


async def test_history_is_searched_and_paged(approval: Approval) -> None:
    request_id = await approval.passed_on(ticket="T-needle-77")
    browser = await Browser(approval).as_(AUDITOR)
    found = await browser.open("/history?q=t-needle-77&state=awaiting_customer&since=2020-01-01&until=2099-12-31")
    assert f"/requests/{request_id}" in found.text
    assert "Nothing is found." in text_of(await browser.open("/history?q=t-needle-77&state=denied"))
    wrong = await browser.get("/history?since=yesterday&q=%3Cscript%3E")
    assert wrong.status_code == 422
    assert "<script>" not in wrong.text.replace('<script src="/static/', "")
    for query in ("cursor=nonsense", "state=nonsense", "engineer=nonsense"):
        assert (await browser.get(f"/history?{query}")).status_code in {200, 422}
