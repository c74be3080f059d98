"""The pages of customers and of programs that read the log: for those who may, and nobody else."""

from __future__ import annotations

import re
from typing import Any

from tests.integration.approval.portal.administration import (
    ADA,
    ADMIN,
    AUDITOR,
    DPO,
    EVE,
    HELPDESK,
    MAX,
    NEW_PASSWORD,
    OTTO,
    USER,
    browser_of,
    mailed_link,
    statuses,
    went,
)
from tests.integration.approval.portal.browsing import Browser, form_to, forms_of, text_of
from tests.integration.approval.system import Approval

HOSTILE = '"><script>alert(1)</script>'


async def test_the_provider_sees_its_customers_and_a_customer_itself_alone(approval: Approval) -> None:
    assert list((await statuses(approval, "/tenants", OTTO, MAX, ADA, EVE)).values()) == [200, 200, 200, 403]
    page = text_of(await (await browser_of(approval, MAX)).open("/tenants"))
    assert "contoso" in page
    assert "fabrikam" in page
    assert "Register a customer" not in page
    page = text_of(await (await browser_of(approval, ADMIN)).open("/tenants"))
    assert "fabrikam" not in page.lower()


async def test_an_operator_registers_a_customer_whose_first_administrator_comes_in_by_the_link(
    approval: Approval,
) -> None:
    operator = await browser_of(approval, OTTO)
    form = form_to(await operator.open("/tenants/add"), "/tenants/add")
    assert form.value("entitled") == "yes"
    facts: dict[str, Any] = {
        "id": "Northwind",
        "name": "Northwind Traders",
        "admin.name": "Nora",
        "admin.email": "nora@northwind.example",
    }
    page = await operator.send(form, **(facts | {"id": "north wind!", "entitled": None}))
    assert page.status_code == 422
    assert 'id="id-error"' in page.text
    again = form_to(page, "/tenants/add")
    assert again.value("admin.name") == "Nora"
    assert "entitled" not in dict(again.fields)
    page = await operator.open(went(await operator.send(again, **facts), "/tenants"))
    assert "The customer is registered" in text_of(page)
    assert "Northwind Traders northwind not licensed off" in text_of(page)
    page = await operator.send(form, **(facts | {"key": "another"}))
    assert page.status_code == 409
    assert "There is already a customer with this short name" in text_of(page)

    hers = Browser(approval)
    link = await mailed_link(approval, "nora@northwind.example")
    done = await hers.send(form_to(await hers.open(link), "/setup"), password=[NEW_PASSWORD, NEW_PASSWORD])
    assert "Print this page now" in text_of(done)

    act = "/tenants/northwind/entitlement"
    asked = await operator.open(act)
    assert "It is not switched on for them" in text_of(asked)
    went(await operator.send(form_to(asked, act), entitled="yes"), "/tenants?done=entitlement")
    assert "Withdraw the licence" in text_of(await operator.open(act))


async def test_nobody_but_an_operator_registers_or_licenses(approval: Approval) -> None:
    for who in (MAX, ADA, ADMIN):
        browser = await browser_of(approval, who)
        page = await browser.get("/tenants/add")
        assert page.status_code == 403
        assert not [form for form in forms_of(page) if form.action == "/tenants/add"]
        csrf = form_to(await browser.open("/account"), "/account/password").value("csrf")
        facts = [("id", "evil"), ("name", "Evil"), ("admin.email", "e@evil.example"), ("admin.name", "E")]
        assert (await browser.post("/tenants/add", [("csrf", csrf), *facts])).status_code == 403
        refused = await browser.post("/tenants/contoso/entitlement", [("csrf", csrf), ("entitled", "no")])
        assert refused.status_code in (403, 404)


async def test_a_programs_secret_is_shown_once(approval: Approval) -> None:
    admin = await browser_of(approval, ADMIN)
    form = form_to(await admin.open("/clients"), "/clients")
    made = await admin.send(form, name=f"SIEM {HOSTILE}")
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    secret = re.search(r'id="client_secret" value="([^"]+)"', made.text)
    client_id = re.search(r'id="client_id" value="([^"]+)"', made.text)
    assert secret is not None
    assert client_id is not None
    assert "<script>alert" not in made.text
    again = await admin.send(form, name=f"SIEM {HOSTILE}")
    assert again.status_code == 409
    assert "its secret was shown once" in text_of(again)
    for page in (again, await admin.open("/clients")):
        assert secret[1] not in page.text
        assert "<script>alert" not in page.text
    assert (await admin.send(form, name="", key="new")).status_code == 422

    for who in (DPO, AUDITOR):
        page = await (await browser_of(approval, who)).open("/clients")
        assert client_id[1] in page.text
        assert "/revoke" not in page.text
        assert "made and revoked by global administrators" in text_of(page)
    act = f"/clients/{client_id[1]}/revoke"
    went(await admin.send(form_to(await admin.open(act), act)), "/clients?done=revoked")
    assert client_id[1] not in (await admin.open("/clients")).text
    assert (await admin.get(act)).status_code == 404


async def test_programs_belong_to_their_realm(approval: Approval) -> None:
    operator = await browser_of(approval, OTTO)
    made = await operator.send(form_to(await operator.open("/clients"), "/clients"), name="Provider's own")
    client_id = re.search(r'id="client_id" value="([^"]+)"', made.text)
    assert client_id is not None
    for who in (ADMIN, "admin@fabrikam.example"):
        browser = await browser_of(approval, who)
        assert client_id[1] not in (await browser.open("/clients")).text
        csrf = form_to(await browser.open("/clients"), "/clients").value("csrf")
        assert (await browser.post(f"/clients/{client_id[1]}/revoke", [("csrf", csrf)])).status_code == 404
    assert list((await statuses(approval, "/clients", HELPDESK, USER)).values()) == [403, 403]
