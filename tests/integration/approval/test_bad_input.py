"""Bad input on every endpoint: the contract's error, and nothing stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.events.envelope import new_id
from shared.security.keys import signing_key
from shared.security.tokens import issue_grant, issue_session
from tests.integration.approval.system import Approval, refused

MAX, DPO, FABRIKAM = "max@provider.example", "dpo@contoso.example", "dpo@fabrikam.example"
LONG = "x" * 4097
SETTINGS = {
    "enabled": True,
    "decision_window": "PT12H",
    "max_duration": "PT4H",
    "approvals_required": 1,
    "services": ["exchange-online"],
    "notify": [],
    "reminders": [],
    "links_in_mail": False,
    "sinks": [],
    "version": 2,
}


@dataclass
class Place:
    """An endpoint: how it is called well, and by whom. `{id}` is a request's or grant's id of contoso."""

    method: str
    path: str
    who: str | None
    body: dict[str, Any] | None = None
    required: tuple[str, ...] = ()
    stage: str = "passed_on"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


SIGN_IN = Place(
    "POST",
    "/v1/sessions",
    None,
    {"realm": "contoso", "email": DPO, "password": "no matter which"},
    ("realm", "email", "password"),
)
PLACES = [
    Place("DELETE", "/v1/sessions/current", DPO),
    Place("GET", "/v1/me", DPO),
    Place("POST", "/v1/me/password", DPO, {"current": "no matter which", "new": "x" * 12}, ("current", "new")),
    Place("GET", "/v1/requests", DPO),
    Place("GET", "/v1/requests/{id}", DPO),
    Place("POST", "/v1/requests/{id}/provider-approve", MAX, {"comment": "So."}, (), "submitted"),
    Place("POST", "/v1/requests/{id}/provider-deny", MAX, {"comment": "So."}, ("comment",), "submitted"),
    Place("POST", "/v1/requests/{id}/approve", DPO, {"comment": "So."}),
    Place("POST", "/v1/requests/{id}/deny", DPO, {"comment": "So."}, ("comment",)),
    Place("POST", "/v1/requests/{id}/questions", DPO, {"text": "Why?"}, ("text",)),
    Place("POST", "/v1/grants/{id}/revoke", DPO, {"reason": "Enough."}, ("reason",), "granted"),
    Place("GET", "/v1/tenants/contoso/settings", DPO),
    Place("PUT", "/v1/tenants/contoso/settings", DPO, SETTINGS, tuple(SETTINGS)),
]
every_place = pytest.mark.parametrize("place", PLACES, ids=str)
every_body = pytest.mark.parametrize("place", [SIGN_IN, *(one for one in PLACES if one.body)], ids=str)
every_id = pytest.mark.parametrize("place", [one for one in PLACES if "{id}" in one.path], ids=str)


@pytest.fixture
async def unchanged(approval: Approval) -> AsyncIterator[dict[str, str]]:
    """Give an id for each stage; whatever the test then sends, nothing of what is stored may change."""
    granted = await approval.granted()
    ids = {
        "submitted": await approval.submitted(),
        "passed_on": await approval.passed_on(),
        "granted": granted["grant"]["id"],
    }
    for who in (MAX, DPO, FABRIKAM):
        await approval.token(who)
    before = await approval.everything()
    yield ids
    assert await approval.everything() == before


async def tokens(approval: Approval) -> dict[str, str]:
    """Make tokens that do not count here, each for its own reason."""
    dpo = await approval.member(DPO)
    now = datetime.now(UTC)
    facts: dict[str, Any] = {"subject": dpo.id, "realm": "contoso", "email": DPO, "session_id": new_id()}
    times: dict[str, Any] = {"now": now, "lifetime": timedelta(hours=1)}
    strange = signing_key(Ed25519PrivateKey.generate())
    good = await approval.new_token(DPO)
    header, claims, signature = good.split(".")
    grant = issue_grant(
        approval.key,
        subject=dpo.id,
        grant_id=new_id(),
        tenant="contoso",
        request_id=new_id(),
        resources=[],
        now=now,
        not_before=now,
        expires=now + timedelta(hours=1),
    )
    return {
        "expired": await approval.new_token(DPO, now=now - timedelta(hours=2)),
        "for another audience": await approval.new_token(DPO, audience=["lockbox-audit"]),
        "of another realm": await approval.new_token(DPO, realm="fabrikam"),
        "of another issuer": await approval.new_token(DPO, issuer="lockbox-request-api"),
        "of another member": await approval.new_token(DPO, subject=new_id()),
        "of no session": issue_session(approval.key, **facts, **times),
        "with a session that is no id": issue_session(approval.key, **(facts | {"session_id": "x"}), **times),
        "signed by nobody known": issue_session(strange, **facts, **times),
        "of a grant": grant,
        "changed": f"{header}.{claims}.{signature[:-4]}AAAA",
        "unsigned": f"{header}.{claims}.",
        "no token": "x",
    }


@every_place
async def test_without_a_token_that_counts_nothing_is_done(
    approval: Approval, unchanged: dict[str, str], place: Place
) -> None:
    path = place.path.replace("{id}", unchanged[place.stage])
    response = await approval.http.request(place.method, path, json=place.body)
    refused(response, 401, "not_authenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")
    for why, token in (await tokens(approval)).items():
        headers = {"authorization": f"Bearer {token}"}
        response = await approval.http.request(place.method, path, json=place.body, headers=headers)
        assert response.status_code == 401, why
        refused(response, 401, "token_invalid")
    for header in ("Basic x", "Bearer", "Bearer a b", ""):
        response = await approval.http.request(place.method, path, json=place.body, headers={"authorization": header})
        assert response.status_code == 401, header


@every_id
async def test_what_one_may_not_see_is_not_there(approval: Approval, unchanged: dict[str, str], place: Place) -> None:
    path = place.path.replace("{id}", unchanged[place.stage])
    refused(await approval.call(FABRIKAM, place.method, path, place.body), 404, "not_found")
    whole = str(unchanged[place.stage])
    for unknown in (new_id(), "1", "x" * 300, whole[:-1], whole + "0", whole.replace("-7", "-4", 1), "%00", "..%2f"):
        path = place.path.replace("{id}", unknown)
        refused(await approval.call(place.who, place.method, path, place.body), 404, "not_found")


@every_body
async def test_a_body_that_is_none_is_refused(approval: Approval, unchanged: dict[str, str], place: Place) -> None:
    path = place.path.replace("{id}", unchanged[place.stage])
    headers = {"authorization": f"Bearer {await approval.token(place.who)}"} if place.who else {}

    async def send(content: bytes, kind: str = "application/json") -> Any:
        return await approval.http.request(
            place.method, path, content=content, headers=headers | {"content-type": kind}
        )

    for broken in (b"{", b"\xff", b'{"comment": NaN}', b'{"a": 1, "a": 2}', b"[" * 30000):
        refused(await send(broken), 400, "malformed_json")
    refused(await send(b"a=b", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")
    refused(await send(b'{"comment": "' + b"x" * 70_000 + b'"}'), 413, "body_too_large")
    for other in (b"[]", b'"text"', b"7"):
        refused(await send(other), 422, "invalid_request", "body")


@every_body
async def test_a_field_that_is_missing_unknown_of_another_type_or_too_long_is_named(
    approval: Approval, unchanged: dict[str, str], place: Place
) -> None:
    assert place.body is not None
    path = place.path.replace("{id}", unchanged[place.stage])
    for name in place.required:
        body = {field: value for field, value in place.body.items() if field != name}
        refused(await approval.call(place.who, place.method, path, body), 422, "invalid_request", name)
    refused(
        await approval.call(place.who, place.method, path, place.body | {"role": "root"}),
        422,
        "invalid_request",
        "role",
    )
    for name, value in place.body.items():
        wrong: list[object] = (
            [{}, ["x", 7], LONG, "\ud800", "a\0b"] if not isinstance(value, list) else ["x", {}, 7, [[]]]
        )
        if isinstance(value, str):
            wrong += [7, True, ""]
        if name in place.required:
            wrong.append(None)
        for one in wrong:
            response = await approval.http.request(
                place.method,
                path,
                content=encoded(place.body | {name: one}),
                headers={"content-type": "application/json"}
                | ({"authorization": f"Bearer {await approval.token(place.who)}"} if place.who else {}),
            )
            body = refused(response, 422, "invalid_request")
            assert body["errors"][0]["field"].split(".")[0] == name, (one, body)
            assert LONG[:200] not in response.text


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("duration", {"duration": "2 hours"}),
        ("duration", {"duration": "PT0S"}),
        ("duration", {"duration": "P1Y"}),
        ("duration", {"duration": 3600}),
        ("resources", {"resources": []}),
        ("resources", {"resources": [{"id": "exchange-online/a", "operations": ["read"]}] * 2}),
        ("resources", {"resources": [{"id": f"a/{number}", "operations": ["read"]} for number in range(101)]}),
        ("resources.0.id", {"resources": [{"id": "a/../b", "operations": ["read"]}]}),
        ("resources.0.id", {"resources": [{"id": "a//b", "operations": ["read"]}]}),
        ("resources.0.id", {"resources": [{"id": "a%2fb", "operations": ["read"]}]}),
        ("resources.0.id", {"resources": [{"id": "x" * 257, "operations": ["read"]}]}),
        ("resources.0.operations", {"resources": [{"id": "a", "operations": []}]}),
        ("resources.0.operations", {"resources": [{"id": "a", "operations": ["read", "read"]}]}),
        ("resources.0.operations", {"resources": [{"id": "a", "operations": [f"o{one}" for one in range(21)]}]}),
        ("resources.0.operations.0", {"resources": [{"id": "a", "operations": ["READ"]}]}),
        ("resources.0.operations", {"resources": [{"id": "a"}]}),
    ],
)
async def test_an_approval_that_narrows_to_nothing_sensible_is_refused(
    approval: Approval, unchanged: dict[str, str], field: str, changes: dict[str, Any]
) -> None:
    path = f"/v1/requests/{unchanged['passed_on']}/approve"
    refused(await approval.call(DPO, "POST", path, changes), 422, "invalid_request", field)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed"])
async def test_an_idempotency_key_that_is_none_is_refused(
    approval: Approval, unchanged: dict[str, str], key: str
) -> None:
    for place in PLACES:
        if place.method == "POST" and "{id}" in place.path:
            path = place.path.replace("{id}", unchanged[place.stage])
            response = await approval.call(place.who, "POST", path, place.body, idempotency_key=key)
            refused(response, 422, "invalid_request", "Idempotency-Key")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=open", "state"),
        ("state=", "state"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=WyJ4Il0", "cursor"),
        ("cursor=" + "x" * 2000, "cursor"),
        ("state=%00", "state"),
    ],
)
async def test_a_parameter_that_is_none_is_refused(approval: Approval, query: str, field: str) -> None:
    refused(await approval.call(DPO, "GET", f"/v1/requests?{query}"), 422, "invalid_request", field)


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/requests/", "/v1", "/v1/requests/x/y/z"])
async def test_an_address_that_is_none_is_not_found(approval: Approval, path: str) -> None:
    refused(await approval.call(DPO, "GET", path), 404, "not_found")


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
async def test_a_method_that_an_address_does_not_take_is_refused(approval: Approval, method: str) -> None:
    refused(await approval.call(DPO, method, f"/v1/requests/{new_id()}"), 405, "method_not_allowed")
