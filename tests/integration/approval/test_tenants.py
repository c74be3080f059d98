"""Tenants over HTTP: operators register them and say what they are entitled to, and nothing else of a tenant is theirs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.approval import demo
from shared.events.members import MemberAdded, RoleAssigned
from shared.events.tenants import TenantRegistered
from tests.integration.approval.system import PASSWORD, Approval, refused, types
from tests.integration.approval.test_links import mailed
from tests.integration.approval.test_links import set_up as follow
from tests.integration.notifier.catching import Catcher

OTTO, MAX, ADA, EVE = (f"{name}@provider.example" for name in ("otto", "max", "ada", "eve"))
ADMIN, USER = "admin@contoso.example", "user@contoso.example"


def body(tenant: str, **changes: Any) -> dict[str, Any]:
    admin = {"email": f"first@{tenant}.example", "name": "Fiona First"}
    return {"id": tenant, "name": tenant.title(), "entitled": True, "admin": admin} | changes


async def test_a_tenant_begins_with_its_lockbox_off_and_an_admin_who_follows_a_link(
    approval: Approval, catcher: Catcher
) -> None:
    made = await approval.call(OTTO, "POST", "/v1/tenants", body("acme"))
    assert (made.status_code, made.json()) == (
        201,
        {"id": "acme", "name": "Acme", "entitled": True, "enabled": False, "settings_version": 1},
    )
    [registered] = await approval.published("acme")
    fact: TenantRegistered = registered.data
    assert (registered.tenant, registered.actor.type, fact.by and fact.by.email) == ("acme", "operator", OTTO)
    assert set(fact.settings.services) == {service.id for service in approval.settings.catalogue}
    assert fact.settings.enabled is False
    admin = await approval.member("first@acme.example")
    added, assigned = await approval.published(admin.id)
    assert (added.tenant, assigned.tenant) == ("acme", "acme")
    assert isinstance(added.data, MemberAdded)
    assert isinstance(assigned.data, RoleAssigned)
    assert (assigned.data.role, assigned.data.by and assigned.data.by.email) == ("global_admin", OTTO)
    token = await mailed(approval, catcher, "first@acme.example")
    done = await follow(approval, token, PASSWORD)
    assert len(done.json()["recovery_codes"]) == 10
    settings = await approval.call("first@acme.example", "GET", "/v1/tenants/acme/settings")
    on = await approval.call(
        "first@acme.example", "PUT", "/v1/tenants/acme/settings", settings.json() | {"enabled": True}
    )
    assert on.json()["enabled"] is True
    assert (await approval.call(OTTO, "GET", "/v1/tenants/acme")).json()["enabled"] is True


async def test_an_id_counts_once_and_a_call_that_is_sent_again_registers_once(approval: Approval) -> None:
    first, again = [
        await approval.call(OTTO, "POST", "/v1/tenants", body("twice"), idempotency_key="t-1") for _ in range(2)
    ]
    assert (first.status_code, first.content) == (201, again.content)
    refused(await approval.call(OTTO, "POST", "/v1/tenants", body("twice")), 409, "tenant_exists")
    answers = await asyncio.gather(*(approval.call(OTTO, "POST", "/v1/tenants", body("race")) for _ in range(3)))
    assert sorted(one.status_code for one in answers) == [201, 409, 409]
    assert types(await approval.published("race")) == ["tenant.registered"]


@pytest.mark.parametrize("who", [MAX, ADA, EVE, ADMIN, USER, "helpdesk@contoso.example"])
async def test_nobody_but_an_operator_registers_or_entitles(approval: Approval, who: str) -> None:
    before = await approval.everything()
    refused(await approval.call(who, "POST", "/v1/tenants", body("mine")), 403, "forbidden")
    status, code = (404, "not_found") if who == EVE else (403, "forbidden")
    answer = await approval.call(who, "PUT", "/v1/tenants/contoso/entitlement", {"entitled": False})
    refused(answer, status, code)
    foreign = await approval.call(who, "PUT", "/v1/tenants/fabrikam/entitlement", {"entitled": False})
    assert foreign.status_code == (403 if who in (MAX, ADA) else 404)
    assert await approval.everything() == before


@pytest.mark.parametrize("what", ["settings", "changes", "clients", "issuers"])
async def test_an_operator_finds_nothing_of_a_tenants_own(approval: Approval, what: str) -> None:
    refused(await approval.call(OTTO, "GET", f"/v1/tenants/contoso/{what}"), 404, "not_found")


async def test_an_operator_of_a_tenant_of_his_making_decides_nothing_in_it(approval: Approval) -> None:
    assert (await approval.call(OTTO, "POST", "/v1/tenants", body("made"))).status_code == 201
    for method, path, sent in (
        ("GET", "members", None),
        ("POST", "members", {"email": "second@made.example", "name": "S", "roles": ["global_admin"]}),
        ("PUT", "members/first@made.example/roles/lockbox_approver", None),
        ("POST", "members/first@made.example/password-reset", None),
        ("DELETE", "members/first@made.example", None),
    ):
        refused(await approval.call(OTTO, method, f"/v1/tenants/made/{path}", sent), 404, "not_found")


async def test_losing_the_entitlement_only_forbids_switching_on(approval: Approval) -> None:
    path = "/v1/tenants/fabrikam/entitlement"
    lost = await approval.call(OTTO, "PUT", path, {"entitled": False})
    assert (lost.status_code, lost.json()["entitled"], lost.json()["enabled"]) == (200, False, True)
    assert (await approval.call(OTTO, "PUT", path, {"entitled": False})).status_code == 200
    events = [event for event in await approval.published("fabrikam") if "entitlement" in event.type]
    assert [(event.data.entitled, event.data.by.email, event.actor.type) for event in events] == [
        (False, OTTO, "operator")
    ]
    settings = (await approval.call("admin@fabrikam.example", "GET", "/v1/tenants/fabrikam/settings")).json()
    changed = await approval.call(
        "admin@fabrikam.example", "PUT", "/v1/tenants/fabrikam/settings", settings | {"enabled": False}
    )
    again = await approval.call(
        "admin@fabrikam.example", "PUT", "/v1/tenants/fabrikam/settings", changed.json() | {"enabled": True}
    )
    refused(again, 403, "not_entitled")
    assert (await approval.call(OTTO, "PUT", path, {"entitled": True})).json()["entitled"] is True
    again = await approval.call(
        "admin@fabrikam.example", "PUT", "/v1/tenants/fabrikam/settings", changed.json() | {"enabled": True}
    )
    assert again.json()["enabled"] is True


async def test_everybody_sees_the_tenants_that_are_his_to_see(approval: Approval) -> None:
    for who in (OTTO, MAX, ADA):
        listed = (await approval.call(who, "GET", "/v1/tenants?limit=1000")).json()["items"]
        assert {"contoso", "fabrikam"} <= {one["id"] for one in listed}
        assert (await approval.call(who, "GET", "/v1/tenants/contoso")).json()["id"] == "contoso"
        refused(await approval.call(who, "GET", "/v1/tenants/nobody"), 404, "not_found")
    refused(await approval.call(EVE, "GET", "/v1/tenants"), 403, "forbidden")
    refused(await approval.call(EVE, "GET", "/v1/tenants/contoso"), 404, "not_found")
    for who in (ADMIN, "auditor@contoso.example", "helpdesk@contoso.example"):
        listed = (await approval.call(who, "GET", "/v1/tenants")).json()["items"]
        assert [one["id"] for one in listed] == ["contoso"]
        refused(await approval.call(who, "GET", "/v1/tenants/fabrikam"), 404, "not_found")
    refused(await approval.call(USER, "GET", "/v1/tenants"), 403, "forbidden")
    refused(await approval.call(USER, "GET", "/v1/tenants/contoso"), 403, "forbidden")
    refused(await approval.call(OTTO, "GET", "/v1/tenants/provider"), 404, "not_found")


async def test_the_list_comes_in_pages(approval: Approval) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await approval.call(OTTO, "GET", f"/v1/tenants?limit=1{cursor}")).json()
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) >= 2
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("id", {"id": "provider"}),
        ("id", {"id": "Acme"}),
        ("id", {"id": "-acme"}),
        ("id", {"id": "a" * 64}),
        ("name", {"name": " "}),
        ("entitled", {"entitled": "yes"}),
        ("admin.email", {"admin": {"email": "nobody", "name": "N"}}),
        ("admin.name", {"admin": {"email": "a@acme.example"}}),
        ("enabled", {"enabled": True}),
    ],
)
async def test_what_no_tenant_can_be_is_refused_by_its_field(
    approval: Approval, field: str, changes: dict[str, Any]
) -> None:
    refused(await approval.call(OTTO, "POST", "/v1/tenants", body("bad") | changes), 422, "invalid_request", field)


async def test_a_tenant_that_was_registered_in_a_demonstration_is_a_part_of_it(fresh: Approval) -> None:
    assert (await fresh.call(OTTO, "POST", "/v1/tenants", body("guest"))).status_code == 201
    before = len(await fresh.pool.fetch("SELECT 1 FROM events"))
    await demo.make(fresh.pool, fresh.settings, PASSWORD)
    assert len(await fresh.pool.fetch("SELECT 1 FROM events")) == before
