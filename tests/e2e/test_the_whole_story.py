"""One request through the five services, on real servers: as an engineer, a manager, an approver and an auditor see it."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.servers import PostgresServer, RabbitServer
from tests.system import Person, System, asks, running_system

ALICE = {"resource": "exchange-online/mailboxes/alice", "operation": "read"}


@pytest.fixture(scope="module")
async def system(postgres: PostgresServer, rabbitmq: RabbitServer) -> AsyncIterator[System]:
    async with running_system(postgres, rabbitmq, virtual_host="e2e-story") as running:
        yield running


@pytest.fixture(scope="module")
async def people(system: System) -> AsyncIterator[dict[str, Person]]:
    names = (
        "eve@provider",
        "erin@provider",
        "max@provider",
        "ada@provider",
        "dpo@contoso",
        "auditor@contoso",
        "dpo@fabrikam",
    )
    found = {name: await system.person(f"{name}.example") for name in names}
    yield found
    for person in found.values():
        await person.close()


async def approved(people: dict[str, Person], **changes: object) -> str:
    """Bring a request to its approval; return its id."""
    request: str = (await people["eve@provider"].does("request_api", "POST", "/v1/requests", asks(**changes)))["id"]  # type: ignore[arg-type]
    await people["max@provider"].awaits("approval", request, "awaiting_provider")
    await people["max@provider"].does("approval", "POST", f"/v1/requests/{request}/provider-approve", {"comment": "ok"})
    await people["dpo@contoso"].does("approval", "POST", f"/v1/requests/{request}/approve", {"comment": "fine"})
    await people["eve@provider"].awaits("request_api", request, "approved")
    return request


async def token_for(people: dict[str, Person], request: str) -> dict[str, str]:
    granted: dict[str, str] = await people["eve@provider"].does(
        "request_api", "POST", f"/v1/requests/{request}/token", {}
    )
    return granted


async def act(system: System, token: str, **changes: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        return await http.post(
            f"{system.urls['request_api']}/v1/actions",
            json=ALICE | changes,
            headers={"Authorization": f"Bearer {token}"},
        )


async def events_of(
    people: dict[str, Person], request: str, *, until_type: str, at_least: int = 1
) -> list[dict[str, object]]:
    """Read a request's events from the customer's log, once an event has arrived and there are so many of its life."""
    for _ in range(200):
        answer = await people["auditor@contoso"].call("audit", "GET", f"/v1/requests/{request}")
        found = [one for one in answer.json().get("events", []) if not one["type"].startswith("lockbox.notification.")]
        if len(found) >= at_least and any(event["type"] == until_type for event in found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{until_type} is not in the log: {answer.text}")


async def test_an_approved_request_is_used_ends_by_itself_and_the_log_tells_all_of_it(
    system: System, people: dict[str, Person]
) -> None:
    request = await approved(people, duration="PT3S")
    granted = await token_for(people, request)
    assert set(granted) == {"token", "grant_id", "access_until", "log"}
    assert granted["log"]["origin"] == "lockbox.test/t/contoso"  # type: ignore[index]
    assert granted["log"]["size"] > granted["log"]["index"] >= 0  # type: ignore[index, operator]

    done = await act(system, granted["token"])
    assert (done.status_code, done.json()["allowed"]) == (201, True)
    outside = await act(system, granted["token"], resource="exchange-online/mailboxes/carol")
    assert (outside.status_code, outside.json()["code"]) == (403, "out_of_scope")
    assert outside.json()["action_id"]

    ended = await people["eve@provider"].awaits("request_api", request, "ended")
    assert ended["ended_by"] == "expired"
    late = await act(system, granted["token"])
    assert late.status_code in {401, 403}

    # Of two services, so in either order: the word of the end, and the refusal of the late action.
    events = await events_of(people, request, until_type="lockbox.access.expired.v1", at_least=9)
    types = [str(event["type"]).removeprefix("lockbox.").removesuffix(".v1") for event in events]
    assert types[:7] == [
        "request.submitted",
        "request.provider_approved",
        "request.vote_cast",
        "request.approved",
        "access.token_issued",
        "action.recorded",
        "action.refused",
    ]
    assert sorted(types[7:]) == ["access.expired", "action.refused"]
    indexes = [event["leafindex"] for event in events]
    assert indexes == sorted(indexes)  # type: ignore[type-var]
    shown = await people["auditor@contoso"].does("audit", "GET", f"/v1/requests/{request}")
    assert shown["state"] == "ended"
    assert [one["stage"] for one in shown["decisions"]] == ["provider", "customer"]
    assert shown["decisions"][1]["by"]["email"] == "dpo@contoso.example"


async def test_a_revoked_grant_refuses_the_next_action(system: System, people: dict[str, Person]) -> None:
    request = await approved(people)
    granted = await token_for(people, request)
    assert (await act(system, granted["token"])).status_code == 201
    revoked = await people["dpo@contoso"].does(
        "approval", "POST", f"/v1/grants/{granted['grant_id']}/revoke", {"reason": "enough"}
    )
    assert (revoked["state"], revoked["ended_by"]) == ("ended", "revoked")
    await people["eve@provider"].awaits("request_api", request, "ended")
    refused = await act(system, granted["token"])
    assert (refused.status_code, refused.json()["code"]) == (403, "grant_ended")


async def test_a_released_grant_refuses_the_next_action_and_a_withdrawn_one_gives_no_token(
    system: System, people: dict[str, Person]
) -> None:
    request = await approved(people)
    granted = await token_for(people, request)
    late = await people["eve@provider"].call("request_api", "POST", f"/v1/requests/{request}/withdraw", {})
    assert (late.status_code, late.json()["code"]) == (409, "use_release")
    released = await people["eve@provider"].does("request_api", "POST", f"/v1/grants/{granted['grant_id']}/release", {})
    assert (released["state"], released["ended_by"]) == ("ended", "released")
    assert (await act(system, granted["token"])).json()["code"] == "grant_ended"

    other = await approved(people)
    withdrawn = await people["eve@provider"].does("request_api", "POST", f"/v1/requests/{other}/withdraw", {})
    assert withdrawn["state"] == "withdrawn"
    no_token = await people["eve@provider"].call("request_api", "POST", f"/v1/requests/{other}/token", {})
    assert no_token.status_code == 409
    await events_of(people, other, until_type="lockbox.access.revoked.v1")
    assert (await people["dpo@contoso"].awaits("approval", other, "withdrawn"))["grant"]["ended_at"]


async def test_nobody_of_another_realm_sees_or_decides_anything(system: System, people: dict[str, Person]) -> None:
    request = await approved(people)
    stranger, colleague = people["dpo@fabrikam"], people["erin@provider"]
    assert (await stranger.call("approval", "GET", f"/v1/requests/{request}")).status_code == 404
    assert (
        await stranger.call("approval", "POST", f"/v1/requests/{request}/deny", {"comment": "no"})
    ).status_code == 404
    assert (await stranger.call("audit", "GET", f"/v1/requests/{request}")).status_code == 404
    assert (await colleague.call("request_api", "GET", f"/v1/requests/{request}")).status_code == 404
    assert (await colleague.call("request_api", "POST", f"/v1/requests/{request}/token", {})).status_code == 404
    own = await people["eve@provider"].call("approval", "POST", f"/v1/requests/{request}/provider-approve", {})
    assert own.status_code == 403


async def test_the_customer_is_not_shown_a_request_before_the_provider_approved_it(people: dict[str, Person]) -> None:
    request = (await people["eve@provider"].does("request_api", "POST", "/v1/requests", asks()))["id"]
    await people["max@provider"].awaits("approval", request, "awaiting_provider")
    assert (await people["dpo@contoso"].call("approval", "GET", f"/v1/requests/{request}")).status_code == 404
    early = await people["dpo@contoso"].call("approval", "POST", f"/v1/requests/{request}/approve", {})
    assert early.status_code == 404
    # The tenant's own log shows every step at once.
    await events_of(people, request, until_type="lockbox.request.submitted.v1")


async def test_an_undecided_request_expires_in_time(system: System, people: dict[str, Person]) -> None:
    admin = await system.person("admin@fabrikam.example")
    settings = await admin.does("approval", "GET", "/v1/tenants/fabrikam/settings")
    await admin.does("approval", "PUT", "/v1/tenants/fabrikam/settings", settings | {"decision_window": "PT2S"})
    eve = people["eve@provider"]
    for _ in range(50):
        made = await eve.does("request_api", "POST", "/v1/requests", asks("fabrikam"))
        if made["decide_by"][:16] == made["submitted_at"][:16]:
            break
        await asyncio.sleep(0.1)
    expired = await eve.awaits("request_api", made["id"], "expired")
    assert expired["grant"] is None
    late = await people["max@provider"].call("approval", "POST", f"/v1/requests/{made['id']}/provider-approve", {})
    assert (late.status_code, late.json()["code"]) == (409, "decision_window_closed")
    await admin.close()


async def test_the_same_idempotency_key_makes_one_request(people: dict[str, Person]) -> None:
    eve, key = people["eve@provider"], {"Idempotency-Key": "once"}
    first, second = await asyncio.gather(
        *(eve.call("request_api", "POST", "/v1/requests", asks(), headers=key) for _ in range(2))
    )
    assert (first.status_code, first.content) == (201, second.content)
    other = await eve.call("request_api", "POST", "/v1/requests", asks("fabrikam"), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
