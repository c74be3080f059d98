"""A tenant's settings over HTTP: its own people change them, one after the other, and each change is an event."""

import asyncio
from typing import Any

import pytest

from shared.events.tenants import TenantSettingsChanged
from tests.integration.approval.system import Approval, refused, types

PATH = "/v1/tenants/contoso/settings"
DPO, ADMIN, AUDITOR = (f"{name}@contoso.example" for name in ("dpo", "admin", "auditor"))


async def settings(approval: Approval, who: str = DPO, path: str = PATH) -> dict[str, Any]:
    response = await approval.call(who, "GET", path)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def put(approval: Approval, who: str = DPO, path: str = PATH, **changes: Any) -> Any:
    return await approval.call(who, "PUT", path, await settings(approval, path=path, who=who) | changes)


async def test_the_demos_tenant_has_the_lockbox_on_and_covers_the_catalogue(approval: Approval) -> None:
    assert await settings(approval, "dpo@fabrikam.example", "/v1/tenants/fabrikam/settings") == {
        "enabled": True,
        "decision_window": "PT12H",
        "max_duration": "PT4H",
        "approvals_required": 1,
        "services": ["exchange-online", "sharepoint-online", "onedrive-for-business", "skype-for-business"],
        "notify": [],
        "reminders": [],
        "links_in_mail": True,
        "second_factor": "off",
        "sinks": [],
        "version": 2,
    }


async def test_what_get_gave_can_be_put_again_and_changes_nothing(approval: Approval) -> None:
    before = await approval.everything()
    for who in (DPO, ADMIN):
        response = await put(approval, who)
        assert response.status_code == 200
        assert response.json() == await settings(approval)
    assert await approval.everything() == before


async def test_each_change_makes_a_version_and_an_event_that_says_what_changed(approval: Approval) -> None:
    was = await settings(approval)
    response = await put(
        approval,
        decision_window="PT30M",
        notify=["SOC@contoso.example"],
        services=["exchange-online"],
        reminders=[{"left": "PT10M", "to": "global_admins"}],
    )
    assert response.status_code == 200, response.text
    assert response.json() == was | {
        "decision_window": "PT30M",
        "notify": ["soc@contoso.example"],
        "services": ["exchange-online"],
        "reminders": [{"left": "PT10M", "to": "global_admins"}],
        "version": was["version"] + 1,
    }
    assert await settings(approval) == response.json()
    event = (await approval.published("contoso"))[-1]
    fact: TenantSettingsChanged = event.data
    assert (fact.settings_version, fact.by.email, fact.by.roles) == (was["version"] + 1, DPO, ["lockbox_approver"])
    assert fact.changes.keys() == {"decision_window", "notify", "services", "reminders"}
    assert (fact.changes["decision_window"].before, fact.changes["decision_window"].after) == ("PT12H", "PT30M")
    assert fact.changes["notify"].added == ["soc@contoso.example"]
    assert set(fact.changes["services"].removed) == set(was["services"]) - {"exchange-online"}
    assert event.payload["settings"]["decision_window"] == "PT30M"


async def test_switching_off_and_on_are_events_and_the_next_manager_suffices_meanwhile(approval: Approval) -> None:
    waiting = await approval.passed_on()
    before = len(await approval.published("contoso"))
    off = await put(approval, enabled=False)
    assert (off.status_code, off.json()["enabled"]) == (200, False)
    request_id = await approval.submitted()
    granted = await approval.done("max@provider.example", f"/v1/requests/{request_id}/provider-approve")
    assert granted["state"] == "approved"
    facts = [event.data for event in await approval.published(request_id)]
    assert [facts[0].approvals_required, facts[1].basis, facts[1].approver.email] == [
        0,
        "lockbox_disabled",
        "max@provider.example",
    ]
    # What waited for the customer before goes on waiting for him.
    assert (await approval.shown(waiting))["state"] == "awaiting_customer"
    assert (await approval.done(DPO, f"/v1/requests/{waiting}/approve"))["state"] == "approved"
    on = await put(approval, ADMIN, enabled=True)
    assert (on.status_code, on.json()["enabled"]) == (200, True)
    events = (await approval.published("contoso"))[before:]
    assert types(events) == ["tenant.lockbox_disabled", "tenant.lockbox_enabled"]
    assert [event.data.by.email for event in events] == [DPO, ADMIN]
    assert {event.subject for event in events} == {"contoso"}


async def test_without_entitlement_the_lockbox_is_not_switched_on_and_stays_on_where_it_is(approval: Approval) -> None:
    try:
        await approval.pool.execute("UPDATE tenants SET entitled = false WHERE tenant = 'contoso'")
        assert (await put(approval, links_in_mail=False)).status_code == 200
        assert (await settings(approval))["enabled"] is True
        assert (await put(approval, enabled=False)).status_code == 200
        refused(await put(approval, enabled=True), 403, "not_entitled")
    finally:
        await approval.pool.execute("UPDATE tenants SET entitled = true WHERE tenant = 'contoso'")
    assert (await put(approval, enabled=True)).status_code == 200


async def test_of_two_who_change_the_same_settings_the_second_is_told(approval: Approval) -> None:
    read = await settings(approval)
    bodies = [read | {"max_duration": f"PT{hours}H"} for hours in (1, 2, 3)]
    answers = await asyncio.gather(*(approval.call(DPO, "PUT", PATH, body) for body in bodies))
    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    for one in answers:
        if one.status_code == 409:
            refused(one, 409, "settings_changed")
    assert (await put(approval, max_duration="PT4H")).status_code == 200


@pytest.mark.parametrize(
    ("who", "reading", "changing"),
    [
        (AUDITOR, 200, 403),
        ("helpdesk@contoso.example", 403, 403),
        ("user@contoso.example", 403, 403),
        ("admin@fabrikam.example", 404, 404),
        ("max@provider.example", 404, 404),
        ("otto@provider.example", 404, 404),
    ],
)
async def test_only_the_tenants_own_people_read_and_change(
    approval: Approval, who: str, reading: int, changing: int
) -> None:
    body = await settings(approval) | {"enabled": False}
    before = await approval.everything()
    assert (await approval.call(who, "GET", PATH)).status_code == reading
    refused(await approval.call(who, "PUT", PATH, body), changing, {403: "forbidden", 404: "not_found"}[changing])
    assert await approval.everything() == before


async def test_provider_and_unknown_tenants_have_no_settings(approval: Approval) -> None:
    for tenant in ("provider", "nobody", "CONTOSO"):
        for who in (DPO, "max@provider.example"):
            refused(await approval.call(who, "GET", f"/v1/tenants/{tenant}/settings"), 404, "not_found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decision_window", "PT14M59S"),
        ("decision_window", "P14DT1S"),
        ("decision_window", "PT0S"),
        ("max_duration", "PT4H1S"),
        ("max_duration", "PT0.5S"),
        ("approvals_required", 3),
        ("approvals_required", 0),
        ("approvals_required", 10**30),
        ("services", ["exchange-online", "exchange-online"]),
        ("services.0", ["teams"]),
        ("services.0", [7]),
        ("notify.0", ["no address"]),
        ("notify", [f"a{number}@contoso.example" for number in range(201)]),
        ("notify", ["a@contoso.example", "A@contoso.example"]),
        ("reminders.0.to", [{"left": "PT1H", "to": "everybody"}]),
        ("reminders.0.left", [{"left": "soon", "to": "approvers"}]),
        ("sinks", [{"name": "soc", "kind": "syslog"}]),
        ("enabled", "yes"),
        ("links_in_mail", None),
        ("second_factor", "any "),
        ("version", "2"),
        ("version", 0),
        ("else", 1),
    ],
)
async def test_a_value_that_nobody_may_choose_is_refused_by_its_field(
    approval: Approval, field: str, value: object
) -> None:
    body = await settings(approval) | {field.partition(".")[0]: value}
    before = await approval.everything()
    refused(await approval.call(DPO, "PUT", PATH, body), 422, "invalid_request", field)
    assert await approval.everything() == before


async def test_every_field_is_required_but_the_second_factor_which_then_stays(approval: Approval) -> None:
    assert (await put(approval, second_factor="any")).json()["second_factor"] == "any"
    whole = await settings(approval)
    del whole["second_factor"]
    kept = await approval.call(DPO, "PUT", PATH, whole)
    assert (kept.status_code, kept.json()["second_factor"]) == (200, "any")
    assert (await put(approval, second_factor="off")).status_code == 200
    whole = await settings(approval)
    del whole["second_factor"]
    for field in whole:
        body = {name: value for name, value in whole.items() if name != field}
        refused(await approval.call(DPO, "PUT", PATH, body), 422, "invalid_request", field)
