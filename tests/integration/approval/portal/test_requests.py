"""The pages of requests: who sees what, and what becomes of what people do there."""

from __future__ import annotations

from tests.integration.approval.portal.browsing import Browser, form_to, text_of
from tests.integration.approval.system import Approval

DPO, ADMIN, AUDITOR, HELPDESK = (f"{name}@contoso.example" for name in ("dpo", "admin", "auditor", "helpdesk"))
USER, OTHER = "user@contoso.example", "dpo@fabrikam.example"
EVE, MAX, ADA, OTTO = (f"{name}@provider.example" for name in ("eve", "max", "ada", "otto"))


async def test_an_approver_reads_a_request_and_approves_it(approval: Approval) -> None:
    request_id = await approval.passed_on()
    browser = await Browser(approval).as_(DPO)
    listed = await browser.open("/requests")
    assert f"/requests/{request_id}" in listed.text
    page = await browser.open(f"/?request={request_id}")
    said = text_of(page)
    for words in ("Eve Engel", "exchange-online/mailboxes/alice", "The mailbox does not open.", "2 hours", "T-1"):
        assert words in said
    done = await browser.send(form_to(page, f"/requests/{request_id}/approve"), comment="Go on.")
    assert (done.status_code, done.headers["location"]) == (303, f"/requests/{request_id}?done=approve")
    after = await browser.open(done.headers["location"])
    assert "Your approval is recorded." in text_of(after)
    shown = await approval.shown(request_id)
    assert (shown["state"], shown["decisions"][-1]["comment"]) == ("approved", "Go on.")
    assert shown["grant"]["resources"] == shown["resources"]
