"""An event that cannot be applied closes what it is about, and nothing else, until it is replayed."""

from __future__ import annotations

from typing import Any

import httpx

from shared.events.envelope import Draft, service_actor
from shared.events.members import RoleAssigned
from shared.events.tenants import TenantSettingsChanged
from shared.events.values import Settings
from tests.integration.request_api.said import DANA
from tests.integration.request_api.world import World, asked
from tests.kernel import until


def outcome(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def poison(here: World, draft: Draft) -> int:
    """Publish an event that cannot be applied; give its number among the dead letters."""
    (event,) = await here.approval.commit(draft)

    async def buried() -> bool:
        return bool(await here.database.fetchval("SELECT count(*) FROM dead_letters WHERE event_id = $1", event.id))

    await until(buried)
    return int(await here.database.fetchval("SELECT id FROM dead_letters WHERE event_id = $1", event.id))


async def forged_approval(here: World, request_id: str, **changes: Any) -> Draft:
    return await here.approval_of(request_id, **{"request_digest": "0" * 64, **changes})


async def test_an_approval_of_other_bytes_than_were_submitted_opens_nothing(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made, other = await here.submit(eve, tenant), await here.submit(eve, tenant)
    await poison(here, await forged_approval(here, made["id"]))
    shown = await here.http.get(f"/v1/requests/{made['id']}", headers=here.session(eve))
    assert (shown.json()["state"], shown.json()["grant"]) == ("awaiting_provider", None)
    # Whatever follows for this request waits behind it: also a sound approval.
    await here.approve(made["id"])
    token = await here.http.post(f"/v1/requests/{made['id']}/token", headers=here.session(eve))
    assert outcome(token) == (409, "not_approved")
    await here.approve(other["id"])
    assert (await here.act(await here.token(eve, other["id"]))).status_code == 201


async def test_a_poison_event_closes_its_own_grant_and_no_other(here: World) -> None:
    granted, other = await here.granted(), await here.granted()
    await poison(here, await forged_approval(here, granted.id, grant_id=granted.grant_id))
    refused = await here.act(granted.headers)
    assert outcome(refused) == (503, "state_unknown")
    (event,) = await here.events(granted.id, "action.refused")
    assert (event.payload["action_id"], event.payload["code"]) == (refused.json()["action_id"], "state_unknown")
    token = await here.http.post(f"/v1/requests/{granted.id}/token", headers=here.session(granted.engineer))
    assert outcome(token) == (503, "state_unknown")
    assert (await here.act(other.headers)).status_code == 201
    # He can still give it back.
    released = await here.http.post(f"/v1/grants/{granted.grant_id}/release", headers=here.session(granted.engineer))
    assert released.status_code == 200


async def test_a_poison_event_about_an_engineer_closes_his_grants_and_calls(here: World) -> None:
    granted, other = await here.granted(), await here.granted()
    said = RoleAssigned(realm="contoso", member=granted.engineer, role="engineer")
    number = await poison(here, Draft(said, "provider", granted.engineer.id, service_actor("approval")))
    assert outcome(await here.act(granted.headers)) == (503, "state_unknown")
    listed = await here.http.get("/v1/requests", headers=here.session(granted.engineer))
    assert outcome(listed) == (503, "state_unknown")
    submitted = await here.http.post("/v1/requests", json=asked(other.tenant), headers=here.session(granted.engineer))
    assert outcome(submitted) == (503, "state_unknown")
    assert (await here.act(other.headers)).status_code == 201
    await mend(here, number)
    assert (await here.act(granted.headers)).status_code == 201


async def test_a_poison_event_about_a_tenant_closes_its_grants_and_submissions(here: World) -> None:
    granted, other = await here.granted(), await here.granted()
    changed = TenantSettingsChanged(
        tenant=other.tenant, by=DANA, settings_version=2, settings=Settings(enabled=True), changes={}
    )
    number = await poison(here, Draft(changed, granted.tenant, granted.tenant, service_actor("approval")))
    assert outcome(await here.act(granted.headers)) == (503, "state_unknown")
    for tenant, expected in ((granted.tenant, 503), (other.tenant, 201)):
        answer = await here.http.post("/v1/requests", json=asked(tenant), headers=here.session(granted.engineer))
        assert answer.status_code == expected
    assert (await here.act(other.headers)).status_code == 201
    await mend(here, number)
    assert (await here.act(granted.headers)).status_code == 201


async def mend(here: World, number: int) -> None:
    """What was wrong with an event is mended by hand: the operator settles the dead letter."""
    await here.database.execute(
        "UPDATE dead_letters SET replayed_at = clock_timestamp(), replayed_by = 'otto@provider.example' WHERE id = $1",
        number,
    )


async def test_dead_letters_are_listed_and_replayed_under_the_service_credential(here: World) -> None:
    tenant, eve = await here.tenant(), await here.person("engineer")
    made = await here.submit(eve, tenant)
    number = await poison(here, await forged_approval(here, made["id"]))
    assert (await here.http.get("/internal/dead-letters", headers=here.session(eve))).status_code == 401
    internal = {"Authorization": f"Bearer {here.settings.internal_secret.get_secret_value()}"}
    listed = (await here.http.get("/internal/dead-letters", headers=internal)).json()
    assert made["id"] in {one["subject"] for one in listed["dead_letters"]}
    again = await here.http.post(
        f"/internal/dead-letters/{number}/replay", json={"by": "otto@provider.example"}, headers=internal
    )
    # It is as wrong as it was.
    assert again.json()["applied"] == 0
    assert "request_digest" in again.json()["failed"]
