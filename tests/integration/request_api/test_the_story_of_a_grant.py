"""From the submission to the recorded action and the end of the grant, as its engineer sees it."""

from __future__ import annotations

from tests.integration.request_api.world import MAILBOX, World


async def test_an_engineer_acts_under_a_grant_once_the_approval_is_in_the_log(here: World) -> None:
    tenant, engineer = await here.tenant(), await here.person("engineer")
    made = await here.submit(engineer, tenant)
    assert made["state"] == "awaiting_provider"
    early = await here.http.post(f"/v1/requests/{made['id']}/token", headers=here.session(engineer))
    assert (early.status_code, early.json()["code"]) == (409, "not_approved")

    approval = await here.approval_of(made["id"])
    await here.hear(await here.provider_approval_of(made["id"]))
    (event,) = await here.hear(approval)
    answer = await here.http.post(f"/v1/requests/{made['id']}/token", headers=here.session(engineer))
    assert answer.status_code == 201
    issued = answer.json()
    place = await here.audit.get(
        f"/internal/v1/events/{event.id}",
        headers={"Authorization": f"Bearer {here.settings.internal_secret.get_secret_value()}"},
    )
    assert issued["log"]["index"] == place.json()["leaf_index"]
    assert issued["log"]["origin"] == f"lockbox.test/t/{tenant}"
    assert issued["log"]["size"] > issued["log"]["index"]

    allowed = await here.act({"Authorization": f"Bearer {issued['token']}"}, MAILBOX + "/inbox/1")
    assert allowed.status_code == 201
    assert allowed.json()["allowed"] is True
    recorded = (await here.events(made["id"], "action"))[-1]
    assert recorded.payload["action_id"] == allowed.json()["action_id"]
    assert (recorded.payload["resource"], recorded.payload["gate"]) == (MAILBOX + "/inbox/1", "actions-api")
    shown = await here.http.get(f"/v1/requests/{made['id']}", headers=here.session(engineer))
    assert shown.json()["state"] == "active"
