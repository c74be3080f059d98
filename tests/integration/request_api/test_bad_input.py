"""Bad input on every endpoint: the contract's error, and nothing is stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.events.envelope import new_id
from shared.events.values import Person
from shared.security.keys import signing_key
from shared.security.tokens import issue_session
from tests.integration.request_api.world import MAILBOX, Granted, World, asked, bearer

UNKNOWN = "0193f2a0-0000-7000-8000-000000000000"
LONG = "x" * 4097
ACTION = {"resource": MAILBOX, "operation": "read"}
RESOURCE = {"id": MAILBOX, "operations": ["read"]}


@pytest.fixture(scope="module")
async def granted(here: World) -> Granted:
    return await here.granted()


SUBMISSIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"tenant": None}, "invalid_request", "tenant"),
    ({"tenant": 7}, "invalid_request", "tenant"),
    ({"tenant": "provider"}, "invalid_request", "tenant"),
    ({"tenant": "UPPER"}, "invalid_request", "tenant"),
    ({"tenant": "nobody-knows-it"}, "unknown_tenant", "tenant"),
    ({"service": ""}, "invalid_request", "service"),
    ({"service": "teams"}, "service_not_covered", "service"),
    ({"ticket": ["T-1"]}, "invalid_request", "ticket"),
    ({"ticket": "T\n1"}, "invalid_request", "ticket"),
    ({"ticket": "T" * 257}, "invalid_request", "ticket"),
    ({"reason": "because"}, "invalid_request", "reason"),
    ({"reason": {"category": "curiosity", "detail": "d"}}, "invalid_request", "reason.category"),
    ({"reason": {"category": "customer_support", "detail": " "}}, "invalid_request", "reason.detail"),
    ({"reason": {"category": "customer_support", "detail": LONG}}, "invalid_request", "reason.detail"),
    ({"reason": {"category": "customer_support"}}, "invalid_request", "reason.detail"),
    ({"resources": []}, "invalid_request", "resources"),
    ({"resources": {}}, "invalid_request", "resources"),
    ({"resources": [RESOURCE, RESOURCE]}, "invalid_request", "resources"),
    ({"resources": [RESOURCE | {"id": f"exchange-online/{n}"} for n in range(101)]}, "invalid_request", "resources"),
    ({"resources": [RESOURCE | {"id": "exchange-online/../x"}]}, "invalid_request", "resources.0.id"),
    ({"resources": [RESOURCE | {"id": "exchange-online//x"}]}, "invalid_request", "resources.0.id"),
    ({"resources": [RESOURCE | {"id": "exchange-online/a%2Fb"}]}, "invalid_request", "resources.0.id"),
    ({"resources": [RESOURCE | {"id": "exchange-online/" + "x" * 256}]}, "invalid_request", "resources.0.id"),
    ({"resources": [RESOURCE | {"id": "sharepoint-online/sites"}]}, "invalid_request", "resources.0.id"),
    ({"resources": [RESOURCE | {"operations": []}]}, "invalid_request", "resources.0.operations"),
    ({"resources": [RESOURCE | {"operations": ["read", "read"]}]}, "invalid_request", "resources.0.operations"),
    ({"resources": [RESOURCE | {"operations": ["READ"]}]}, "invalid_request", "resources.0.operations.0"),
    (
        {"resources": [RESOURCE | {"operations": [f"o{n}" for n in range(21)]}]},
        "invalid_request",
        "resources.0.operations",
    ),
    ({"resources": [RESOURCE | {"more": 1}]}, "invalid_request", "resources.0.more"),
    ({"duration": "2 hours"}, "invalid_request", "duration"),
    ({"duration": 7200}, "invalid_request", "duration"),
    ({"duration": "PT0S"}, "invalid_request", "duration"),
    ({"duration": "-PT1H"}, "invalid_request", "duration"),
    ({"duration": "PT4H1S"}, "duration_too_long", "duration"),
    ({"duration": "P99999999D"}, "invalid_request", "duration"),
    ({"starts_at": "2026-11-24T10:00:00"}, "invalid_request", "starts_at"),
    ({"starts_at": "2020-01-01T00:00:00Z"}, "invalid_request", "starts_at"),
    ({"starts_at": "9999-01-01T00:00:00Z"}, "invalid_request", "starts_at"),
    ({"extends": "r"}, "invalid_request", "extends"),
    ({"extends": UNKNOWN}, "invalid_request", "extends"),
    ({"state": "approved"}, "invalid_request", "state"),
    ({"ticket": "T\u0000"}, "invalid_request", "ticket"),
    ({"ticket": "T\ud800"}, "invalid_request", "ticket"),
]


@pytest.mark.parametrize(("changes", "code", "field"), SUBMISSIONS)
async def test_a_bad_submission_names_its_field(
    here: World, granted: Granted, changes: dict[str, Any], code: str, field: str
) -> None:
    before = await here.stored()
    answer = await here.http.post(
        "/v1/requests",
        content=json.dumps(asked(granted.tenant) | changes),
        headers=here.session(granted.engineer) | {"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["field"] == field
    assert answer.headers["content-type"] == "application/problem+json"
    assert await here.stored() == before


@pytest.mark.parametrize("field", ["tenant", "service", "ticket", "reason", "resources", "duration"])
async def test_a_submission_without_a_field_names_it(here: World, granted: Granted, field: str) -> None:
    body = asked(granted.tenant)
    del body[field]
    answer = await here.http.post("/v1/requests", json=body, headers=here.session(granted.engineer))
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": field, "message": "is required: add it"}]


async def test_an_excluded_part_is_named(here: World, granted: Granted) -> None:
    resources = [{"id": "skype-for-business/meeting-recordings/2026", "operations": ["read"]}]
    body = asked(granted.tenant, service="skype-for-business", resources=resources)
    answer = await here.http.post("/v1/requests", json=body, headers=here.session(granted.engineer))
    assert (answer.status_code, answer.json()["code"]) == (422, "service_not_covered")
    assert "skype-for-business/meeting-recordings" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "open"}, "state"),
        ({"tenant": "Not A Tenant"}, "tenant"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "WyJub25zZW5zZSJd"}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
    ],
)
async def test_a_bad_query_names_its_field(here: World, granted: Granted, query: dict[str, str], field: str) -> None:
    answer = await here.http.get("/v1/requests", params=query, headers=here.session(granted.engineer))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == field


ENDPOINTS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/requests", {}),
    ("GET", "/v1/requests", None),
    ("GET", "/v1/requests/{id}", None),
    ("POST", "/v1/requests/{id}/withdraw", None),
    ("POST", "/v1/requests/{id}/answers", {"text": "Because."}),
    ("POST", "/v1/requests/{id}/token", None),
    ("POST", "/v1/grants/{grant}/release", None),
]
UNDER_GRANT: list[tuple[str, str, Any]] = [
    ("POST", "/v1/actions", ACTION),
    ("POST", f"/v1/actions/{UNKNOWN}/completion", {"outcome": "success"}),
]


def stranger_token(here: World, person: Person) -> dict[str, str]:
    """Sign a session with a key that is nobody's."""
    token = issue_session(
        signing_key(Ed25519PrivateKey.generate()),
        subject=person.id,
        realm="provider",
        email=person.email,
        session_id=new_id(),
        now=datetime.now(UTC),
        lifetime=timedelta(hours=1),
    )
    return bearer(token)


@pytest.mark.parametrize(("method", "path", "body"), ENDPOINTS + UNDER_GRANT)
async def test_without_a_good_token_nothing_is_told_or_done(
    here: World, granted: Granted, method: str, path: str, body: Any
) -> None:
    engineer = granted.engineer
    yesterday = datetime.now(UTC) - timedelta(days=1)
    bad = [
        ({}, "not_authenticated"),
        ({"Authorization": "Basic ZXZlOmV2ZQ=="}, "token_invalid"),
        (bearer("x.y.z"), "token_invalid"),
        (stranger_token(here, engineer), "token_invalid"),
        (here.session(engineer, now=yesterday), "token_invalid"),
        (here.session(engineer, audience=["lockbox-approval"]), "token_invalid"),
        (here.session(engineer, issuer="somebody"), "token_invalid"),
    ]
    if (method, path, body) in UNDER_GRANT:
        bad.append((here.session(engineer), "token_invalid"))
    else:
        bad.append((granted.headers, "token_invalid"))
    before = await here.stored()
    for headers, code in bad:
        url = path.format(id=granted.id, grant=granted.grant_id)
        answer = await here.http.request(method, url, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, code), headers
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert await here.stored() == before


@pytest.mark.parametrize(("method", "path", "body"), ENDPOINTS)
async def test_a_tenants_people_are_told_nothing(
    here: World, granted: Granted, method: str, path: str, body: Any
) -> None:
    person = Person(id=new_id(), email="dpo@contoso.example", name="Dana")
    before = await here.stored()
    body = asked(granted.tenant) if path == "/v1/requests" and method == "POST" else body
    url = path.format(id=granted.id, grant=granted.grant_id)
    answer = await here.http.request(method, url, json=body, headers=here.session(person, realm=granted.tenant))
    expected = (404, "not_found") if "{" in path else (403, "provider_only")
    assert (answer.status_code, answer.json()["code"]) == expected
    assert await here.stored() == before


@pytest.mark.parametrize(("method", "path", "body"), [one for one in ENDPOINTS if "{" in one[1]])
async def test_what_does_not_exist_and_what_is_anothers_look_the_same(
    here: World, granted: Granted, method: str, path: str, body: Any
) -> None:
    colleague = await here.person("engineer")
    before = await here.stored()
    for found in (UNKNOWN, "no-id", "0193f2a0-0000-4000-8000-000000000000"):
        url = path.format(id=found, grant=found)
        answer = await here.http.request(method, url, json=body, headers=here.session(granted.engineer))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    url = path.format(id=granted.id, grant=granted.grant_id)
    answer = await here.http.request(method, url, json=body, headers=here.session(colleague))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await here.stored() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"resource": None}, "resource"),
        ({"resource": "exchange-online/../x"}, "resource"),
        ({"resource": "/exchange-online"}, "resource"),
        ({"resource": MAILBOX + "/a%2e%2e"}, None),
        ({"resource": MAILBOX + "/%2e%2e/x"}, "resource"),
        ({"resource": "x" * 257}, "resource"),
        ({"operation": "Read it"}, "operation"),
        ({"operation": 1}, "operation"),
        ({"detail": LONG}, "detail"),
        ({"gate": "mine"}, "gate"),
    ],
)
async def test_a_bad_action_names_its_field(
    here: World, granted: Granted, changes: dict[str, Any], field: str | None
) -> None:
    before = await here.stored()
    answer = await here.http.post("/v1/actions", json=ACTION | changes, headers=granted.headers)
    if field is None:
        assert answer.status_code == 201
        return
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == field
    assert await here.stored() == before


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/requests/{id}/answers", {}, "text"),
        ("/v1/requests/{id}/answers", {"text": ""}, "text"),
        ("/v1/requests/{id}/answers", {"text": LONG}, "text"),
        ("/v1/requests/{id}/answers", {"text": "t", "more": 1}, "more"),
        ("/v1/requests/{id}/withdraw", {"reason": "r"}, "body"),
        ("/v1/requests/{id}/token", {"reason": "r"}, "body"),
        ("/v1/grants/{grant}/release", {"reason": "r"}, "body"),
    ],
)
async def test_a_bad_change_names_its_field(
    here: World, granted: Granted, path: str, body: dict[str, Any], field: str
) -> None:
    before = await here.stored()
    url = path.format(id=granted.id, grant=granted.grant_id)
    answer = await here.http.post(url, json=body, headers=here.session(granted.engineer))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"] == field
    assert await here.stored() == before


@pytest.mark.parametrize("body", [{}, {"outcome": "maybe"}, {"outcome": "success", "detail": LONG}, {"outcome": None}])
async def test_a_bad_completion_is_refused(here: World, granted: Granted, body: dict[str, Any]) -> None:
    action_id = (await here.act(granted.headers)).json()["action_id"]
    before = await here.stored()
    answer = await here.http.post(f"/v1/actions/{action_id}/completion", json=body, headers=granted.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert await here.stored() == before


async def test_what_is_no_json_or_too_much_of_it_is_refused(here: World, granted: Granted) -> None:
    headers = here.session(granted.engineer)
    json_type = headers | {"Content-Type": "application/json"}
    before = await here.stored()
    for content, with_headers, status, code in (
        (b"{", json_type, 400, "malformed_json"),
        (b'{"tenant": "a", "tenant": "b"}', json_type, 400, "malformed_json"),
        (b"[" * 50_000, json_type, 400, "malformed_json"),
        (b"x" * 65_537, json_type, 413, "body_too_large"),
        (
            b"tenant=contoso",
            headers | {"Content-Type": "application/x-www-form-urlencoded"},
            415,
            "unsupported_media_type",
        ),
        (b"[]", json_type, 422, "invalid_request"),
        (b"", json_type, 422, "invalid_request"),
    ):
        answer = await here.http.post("/v1/requests", content=content, headers=with_headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), content[:20]
    key = await here.http.post(
        "/v1/requests", json=asked(granted.tenant), headers=headers | {"Idempotency-Key": "k" * 256}
    )
    assert (key.status_code, key.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert await here.stored() == before
