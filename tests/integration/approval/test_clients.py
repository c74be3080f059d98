"""Machine clients over HTTP: who makes and ends them, and how they fetch tokens that nothing but the log takes."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from shared.events.members import ClientCreated, ClientRevoked
from shared.security.keys import LocalJwks
from shared.security.tokens import ClientToken, InvalidToken, reader_verifier, session_verifier
from tests.integration.approval.system import Approval, refused, types

PATH = "/v1/tenants/contoso/clients"
ADMIN, DPO, HELPDESK, AUDITOR, USER = (
    f"{name}@contoso.example" for name in ("admin", "dpo", "helpdesk", "auditor", "user")
)
OTTO = "otto@provider.example"
BODY = {"name": "SIEM", "scopes": ["audit:read"]}


async def made(approval: Approval, who: str = ADMIN, path: str = PATH, **more: Any) -> dict[str, Any]:
    response = await approval.call(who, "POST", path, BODY | more)
    assert response.status_code == 201, response.text
    client: dict[str, Any] = response.json()
    return client


async def fetch(approval: Approval, fields: dict[str, str], **headers: str) -> httpx.Response:
    return await approval.http.post("/v1/token", data=fields, headers=headers)


def shows(client: dict[str, Any], **more: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": client["id"],
        "client_secret": client["secret"],
    } | more


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


async def test_a_client_is_made_with_a_secret_that_is_shown_once_and_stands_nowhere(approval: Approval) -> None:
    response = await approval.call(ADMIN, "POST", PATH, BODY, idempotency_key="client-1")
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    client = response.json()
    assert client.keys() == {"id", "name", "scopes", "created_at", "secret"}
    refused(await approval.call(ADMIN, "POST", PATH, BODY, idempotency_key="client-1"), 409, "already_made")
    for who in (ADMIN, DPO, AUDITOR):
        listed = (await approval.call(who, "GET", PATH)).json()["items"]
        assert {name: value for name, value in client.items() if name != "secret"} in listed
    [event] = await approval.published(client["id"])
    fact: ClientCreated = event.data
    assert (event.tenant, fact.realm, fact.name, fact.scopes) == ("contoso", "contoso", "SIEM", ["audit:read"])
    assert fact.by is not None
    assert fact.by.email == ADMIN
    for table in ("clients", "events", "idempotency"):
        rows = await approval.pool.fetch(f"SELECT t::text AS row FROM {table} t")
        assert not [
            row for row in rows if client["secret"] in row["row"] or client["secret"].encode().hex() in row["row"]
        ]


async def test_a_client_fetches_a_token_that_the_log_takes_and_nobody_else(approval: Approval) -> None:
    client = await made(approval)
    answer = await fetch(approval, shows(client))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "audit:read")
    keys = LocalJwks([approval.key])
    claims = await reader_verifier(keys, "lockbox-audit").verify(body["access_token"])
    assert isinstance(claims, ClientToken)
    assert (claims.subject, claims.realm, claims.scopes) == (client["id"], "contoso", frozenset(["audit:read"]))
    for audience in ("lockbox-approval", "lockbox-request-api", "lockbox-gate"):
        with pytest.raises(InvalidToken):
            await session_verifier(keys, audience).verify(body["access_token"])
    with pytest.raises(InvalidToken):
        # It names no person, wherever somebody takes it for a session.
        await session_verifier(keys, "lockbox-audit").verify(body["access_token"])
    for path in ("/v1/me", "/v1/requests", PATH, "/v1/tenants"):
        answer = await approval.http.get(path, headers={"authorization": f"Bearer {body['access_token']}"})
        refused(answer, 401, "token_invalid")


async def test_id_and_secret_may_come_as_http_basic(approval: Approval) -> None:
    client = await made(approval)
    grant = {"grant_type": "client_credentials"}
    good = basic(client["id"], client["secret"])
    assert (await fetch(approval, grant, authorization=good)).status_code == 200
    assert (await fetch(approval, grant | {"client_id": client["id"]}, authorization=good)).status_code == 200
    both = await fetch(approval, shows(client), authorization=good)
    refused(both, 400, "invalid_request")
    other = await made(approval)
    for wrong in (
        basic(client["id"], other["secret"]),
        basic(client["id"], ""),
        "Basic !!!",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
    ):
        answer = await fetch(approval, grant, authorization=wrong)
        refused(answer, 401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")
    mixed = await fetch(approval, grant | {"client_id": other["id"]}, authorization=good)
    refused(mixed, 401, "invalid_client")
    refused(await fetch(approval, grant, authorization="Bearer x"), 400, "invalid_request")


async def test_wrong_ones_look_alike_and_carry_the_error_as_oauth_names_it(approval: Approval) -> None:
    client, other = await made(approval), await made(approval)
    wrong = [
        {"client_secret": other["secret"]},
        {"client_id": other["id"]},
        {"client_secret": ""},
        {"client_secret": client["secret"] + "x"},
        {"client_id": "nobody"},
        {"client_id": ""},
        {"client_id": "01a2109b-70fc-71d4-99c3-42aa4a462839"},
    ]
    answers = [await fetch(approval, shows(client) | one) for one in wrong]
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}
    body = refused(answers[0], 401, "invalid_client")
    assert body["error"] == "invalid_client"


async def test_what_is_no_token_request_is_refused_as_oauth_says(approval: Approval) -> None:
    client = await made(approval)
    without = {name: value for name, value in shows(client).items() if name != "grant_type"}
    assert refused(await fetch(approval, without), 400, "invalid_request")["error"] == "invalid_request"
    for grant in ("password", "refresh_token", "", "CLIENT_CREDENTIALS"):
        answer = await fetch(approval, shows(client, grant_type=grant))
        assert refused(answer, 400, "unsupported_grant_type")["error"] == "unsupported_grant_type"
    for scope in ("audit:write", "audit:read admin", ""):
        refused(await fetch(approval, shows(client, scope=scope)), 400, "invalid_scope")
    assert (await fetch(approval, shows(client, scope="audit:read"))).status_code == 200
    refused(await approval.http.post("/v1/token", json=shows(client)), 415, "unsupported_media_type")
    twice = b"grant_type=client_credentials&grant_type=client_credentials"
    form = {"content-type": "application/x-www-form-urlencoded"}
    refused(await approval.http.post("/v1/token", content=twice, headers=form), 422, "invalid_request")


async def test_a_revoked_client_fetches_nothing_any_more(approval: Approval) -> None:
    client = await made(approval)
    assert (await approval.call(ADMIN, "DELETE", f"{PATH}/{client['id']}")).status_code == 204
    refused(await fetch(approval, shows(client)), 401, "invalid_client")
    refused(await approval.call(ADMIN, "DELETE", f"{PATH}/{client['id']}"), 404, "not_found")
    listed = (await approval.call(ADMIN, "GET", PATH)).json()["items"]
    assert client["id"] not in {one["id"] for one in listed}
    events = await approval.published(client["id"])
    assert types(events) == ["client.created", "client.revoked"]
    fact: ClientRevoked = events[1].data
    assert (fact.client_id, fact.name, fact.by and fact.by.email) == (client["id"], "SIEM", ADMIN)


@pytest.mark.parametrize(("who", "reads"), [(DPO, 200), (AUDITOR, 200), (HELPDESK, 403), (USER, 403)])
async def test_only_a_global_admin_makes_and_ends_clients(approval: Approval, who: str, reads: int) -> None:
    client = await made(approval)
    before = await approval.everything()
    refused(await approval.call(who, "POST", PATH, BODY), 403, "forbidden")
    refused(await approval.call(who, "DELETE", f"{PATH}/{client['id']}"), 403, "forbidden")
    assert (await approval.call(who, "GET", PATH)).status_code == reads
    assert await approval.everything() == before


@pytest.mark.parametrize("who", ["admin@fabrikam.example", OTTO, "ada@provider.example", "max@provider.example"])
async def test_a_tenants_clients_are_found_by_nobody_else(approval: Approval, who: str) -> None:
    client = await made(approval)
    for method, path, body in (("GET", PATH, None), ("POST", PATH, BODY), ("DELETE", f"{PATH}/{client['id']}", None)):
        refused(await approval.call(who, method, path, body), 404, "not_found")
    other = f"/v1/tenants/fabrikam/clients/{client['id']}"
    refused(await approval.call("admin@fabrikam.example", "DELETE", other), 404, "not_found")
    assert (await fetch(approval, shows(client))).status_code == 200


async def test_the_providers_clients_are_its_operators(approval: Approval) -> None:
    path = "/v1/tenants/provider/clients"
    client = await made(approval, OTTO, path)
    assert (await fetch(approval, shows(client))).status_code == 200
    assert (await approval.call("ada@provider.example", "GET", path)).status_code == 200
    for who in ("max@provider.example", "eve@provider.example"):
        refused(await approval.call(who, "GET", path), 403, "forbidden")
        refused(await approval.call(who, "POST", path, BODY), 403, "forbidden")
    assert (await approval.call(OTTO, "DELETE", f"{path}/{client['id']}")).status_code == 204


async def test_the_list_comes_in_pages_newest_first(approval: Approval) -> None:
    path = "/v1/tenants/fabrikam/clients"
    clients = [await made(approval, "admin@fabrikam.example", path, name=f"C{number}") for number in range(3)]
    first = (await approval.call("admin@fabrikam.example", "GET", f"{path}?limit=2")).json()
    cursor = first["next_cursor"]
    second = (await approval.call("admin@fabrikam.example", "GET", f"{path}?limit=2&cursor={cursor}")).json()
    assert [one["id"] for one in first["items"] + second["items"]] == [one["id"] for one in reversed(clients)]
    assert second["next_cursor"] is None
    for bad in ("nonsense", "WyJ4Il0"):
        answer = await approval.call("admin@fabrikam.example", "GET", f"{path}?cursor={bad}")
        refused(answer, 422, "invalid_request", "cursor")


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": ""}),
        ("scopes", {"scopes": []}),
        ("scopes.0", {"scopes": ["audit:write"]}),
        ("scopes", {"scopes": ["audit:read", "audit:read"]}),
        ("secret", {"secret": "of-my-own-choice"}),
    ],
)
async def test_what_no_client_can_be_is_refused_by_its_field(
    approval: Approval, field: str, changes: dict[str, Any]
) -> None:
    refused(await approval.call(ADMIN, "POST", PATH, BODY | changes), 422, "invalid_request", field)
