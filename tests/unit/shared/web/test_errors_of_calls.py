"""What a caller reads when a call is wrong: the contract's problem, with the field in his own words."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.events.envelope import EventTooLarge
from shared.security.keys import LocalJwks, signing_key
from shared.security.tokens import InvalidToken, KeysUnavailable, issue_session, session_verifier
from tests.unit.shared.web.example import FAULTS, ID, SECRET, VERIFIERS, calling, example_app

GOOD: dict[str, Any] = {
    "tenant": "contoso",
    "ticket": "T-1",
    "reason": {"category": "customer_support", "detail": "The mailbox is stuck."},
    "resources": [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}],
    "duration": "PT90M",
    "starts_at": "2026-11-24T11:00:00+01:00",
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with calling(example_app()) as opened:
        yield opened


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["title"]
    assert body["type"] == "about:blank"
    assert "pydantic" not in response.text
    return body


def fields(response: httpx.Response) -> list[str]:
    return [error["field"] for error in problem(response, 422, "invalid_request")["errors"]]


async def test_a_good_call_is_answered_in_canonical_forms(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/requests", json=GOOD)
    assert response.status_code == 201
    assert response.json() == GOOD | {
        "duration": "PT1H30M",
        "starts_at": "2026-11-24T10:00:00.000000Z",
        "urgent": False,
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant": None}, "tenant"),
        ({"tenant": 5}, "tenant"),
        ({"tenant": "Con Toso"}, "tenant"),
        ({"ticket": ["T-1"]}, "ticket"),
        ({"reason": "because"}, "reason"),
        ({"reason": {"category": "boredom", "detail": "x"}}, "reason.category"),
        ({"reason": {"category": "customer_support"}}, "reason.detail"),
        ({"reason": {"category": "customer_support", "detail": "é" * 2049}}, "reason.detail"),
        ({"resources": []}, "resources"),
        ({"resources": {"id": "a"}}, "resources"),
        ({"resources": [{"id": "a", "operations": ["read"]}] * 101}, "resources"),
        ({"resources": [{"id": "a/../b", "operations": ["read"]}]}, "resources.0.id"),
        ({"resources": [{"id": "a", "operations": ["read"] * 21}]}, "resources.0.operations"),
        ({"resources": [{"id": "a", "operations": ["read", "READ"]}]}, "resources.0.operations.1"),
        ({"resources": [{"id": "a", "operations": ["read"], "extra": 1}]}, "resources.0.extra"),
        ({"resources": [{"id": "a", "operations": ["read"]}, 7]}, "resources.1"),
        ({"duration": 7200}, "duration"),
        ({"duration": "2h"}, "duration"),
        ({"starts_at": "2026-11-24T11:00:00"}, "starts_at"),
        ({"starts_at": 1764000000}, "starts_at"),
        ({"urgent": "yes"}, "urgent"),
        ({"urgent": 1}, "urgent"),
        ({"what": 1}, "what"),
    ],
)
async def test_a_wrong_field_is_named_as_it_was_written(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    assert fields(await client.post("/v1/requests", json=GOOD | change)) == [field]


async def test_every_wrong_field_is_named_with_its_remedy(client: httpx.AsyncClient) -> None:
    body = problem(await client.post("/v1/requests", json={"ticket": "", "what": 1}), 422, "invalid_request")
    said = {error["field"]: error["message"] for error in body["errors"]}
    assert said == {
        "tenant": "is required: add it",
        "ticket": "must not be empty: write a text",
        "reason": "is required: add it",
        "resources": "is required: add it",
        "duration": "is required: add it",
        "what": "is not known here: remove it, or correct its name",
    }


async def test_a_thousand_wrong_fields_do_not_make_a_thousand_errors(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/requests", json={f"{'x' * 200}{number}": 1 for number in range(200)})
    assert len(fields(response)) == 20
    assert len(response.content) < 10_000


@pytest.mark.parametrize("body", [b"", b"null", b"[1]", b'"text"', b"7"])
async def test_a_body_that_is_no_object_is_named_as_the_body(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/requests", content=body, headers={"content-type": "application/json"})
    assert fields(response) == ["body"]


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/v1/requests?limit=0", "limit"),
        ("/v1/requests?limit=1001", "limit"),
        ("/v1/requests?limit=many", "limit"),
        ("/v1/requests?cursor=zzz", "cursor"),
        ("/v1/requests?cursor=" + "z" * 2000, "cursor"),
        ("/v1/requests?limit=1&state=a%00b", "state"),
    ],
)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, address: str, field: str) -> None:
    assert fields(await client.get(address)) == [field]


@pytest.mark.parametrize("address", [f"/v1/requests/{ID[:-1]}/withdraw", "/v1/requests/1/withdraw", "/v1/requ%00ests"])
async def test_an_address_that_names_nothing_is_not_found(client: httpx.AsyncClient, address: str) -> None:
    problem(await client.post(address), 404, "not_found")


async def test_an_unknown_address_is_not_found(client: httpx.AsyncClient) -> None:
    problem(await client.get("/v1/nothing"), 404, "not_found")
    problem(await client.get("/v1/requests/"), 404, "not_found")


async def test_a_method_that_is_not_taken_is_refused_with_those_that_are(client: httpx.AsyncClient) -> None:
    response = await client.put("/v1/requests")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx", "multipart/json"]
)
async def test_a_body_of_another_kind_is_refused(client: httpx.AsyncClient, kind: str) -> None:
    body = json.dumps(GOOD).encode()
    problem(
        await client.post("/v1/requests", content=body, headers={"content-type": kind}), 415, "unsupported_media_type"
    )


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
async def test_json_may_be_announced_in_its_other_ways(client: httpx.AsyncClient, kind: str) -> None:
    body = json.dumps(GOOD).encode()
    assert (await client.post("/v1/requests", content=body, headers={"content-type": kind})).status_code == 201


async def test_malformed_json_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/requests", content=b'{"a": }', headers={"content-type": "application/json"})
    assert "column 7" in problem(response, 400, "malformed_json")["detail"]


async def test_a_call_without_a_body_takes_none(client: httpx.AsyncClient) -> None:
    address = f"/v1/requests/{ID}/withdraw"
    assert (await client.post(address)).status_code == 200
    assert (await client.post(address, json={})).status_code == 200
    assert fields(await client.post(address, json={"comment": "x"})) == ["body"]
    response = await client.post(address, content=b"{", headers={"content-type": "application/json"})
    problem(response, 400, "malformed_json")


async def test_a_body_that_may_be_left_out_is_still_checked(client: httpx.AsyncClient) -> None:
    address, headers = f"/v1/requests/{ID}/approve", {"authorization": "Bearer abc"}
    assert (await client.post(address, headers=headers)).json()["comment"] is None
    assert (await client.post(address, headers=headers, json={"comment": "yes"})).json()["comment"] == "yes"
    assert fields(await client.post(address, headers=headers, json={"coment": "yes"})) == ["coment"]
    assert fields(await client.post(address, headers=headers, json={"comment": ""})) == ["comment"]


@pytest.mark.parametrize("size", [65_537, 102_400])
async def test_a_body_over_64_kib_is_refused_by_its_announced_length(client: httpx.AsyncClient, size: int) -> None:
    response = await client.post("/v1/requests", content=b"x" * size, headers={"content-type": "application/json"})
    problem(response, 413, "body_too_large")


@pytest.mark.parametrize("address", ["/v1/requests", f"/v1/requests/{ID}/withdraw", "/v1/token"])
async def test_a_body_over_64_kib_in_chunks_is_refused_also_where_none_is_taken(
    client: httpx.AsyncClient, address: str
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    kind = "application/x-www-form-urlencoded" if address == "/v1/token" else "application/json"
    response = await client.post(address, content=chunks(), headers={"content-type": kind})
    problem(response, 413, "body_too_large")


async def test_a_body_of_just_64_kib_is_read(client: httpx.AsyncClient) -> None:
    body = json.dumps(GOOD).encode()
    padded = body + b" " * (65_536 - len(body))
    response = await client.post("/v1/requests", content=padded, headers={"content-type": "application/json"})
    assert response.status_code == 201


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30])
async def test_a_length_that_is_no_length_is_refused(client: httpx.AsyncClient, length: str) -> None:
    response = await client.post("/v1/requests", headers={"content-length": length})
    assert response.status_code == 413


async def test_without_a_token_the_answer_says_how_to_come_in(client: httpx.AsyncClient) -> None:
    response = await client.post(f"/v1/requests/{ID}/approve")
    problem(response, 401, "not_authenticated")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Basic abc", "Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "abc", "Bearer é", ""]
)
async def test_another_authorization_is_no_token(client: httpx.AsyncClient, header: str) -> None:
    response = await client.post(f"/v1/requests/{ID}/approve", headers={b"authorization": header.encode()})
    problem(response, 401, "token_invalid")
    assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


async def test_two_authorizations_are_none(client: httpx.AsyncClient) -> None:
    headers = [("authorization", "Bearer abc"), ("authorization", "Bearer def")]
    problem(await client.post(f"/v1/requests/{ID}/approve", headers=headers), 401, "token_invalid")


async def test_a_missing_token_is_said_before_what_is_wrong_with_the_fields(client: httpx.AsyncClient) -> None:
    problem(await client.post(f"/v1/requests/{ID}/approve", json={"what": 1}), 401, "not_authenticated")


async def test_a_session_is_known_by_its_verified_token(client: httpx.AsyncClient) -> None:
    key = signing_key(Ed25519PrivateKey.generate())
    VERIFIERS["session"] = session_verifier(LocalJwks([key]), "lockbox-approval")
    facts = {"subject": "1", "realm": "contoso", "email": "dpo@contoso.example", "session_id": "2"}
    now = datetime.now(UTC)
    token = issue_session(key, **facts, now=now, lifetime=timedelta(hours=1))
    old = issue_session(key, **facts, now=now - timedelta(hours=2), lifetime=timedelta(hours=1))
    response = await client.get("/v1/me", headers={"authorization": f"Bearer {token}"})
    assert response.json() == {"email": "dpo@contoso.example", "realm": "contoso"}
    expired = problem(await client.get("/v1/me", headers={"authorization": f"Bearer {old}"}), 401, "token_invalid")
    assert "expired" in expired["detail"]
    problem(await client.get("/v1/me", headers={"authorization": f"Bearer {token}x"}), 401, "token_invalid")
    problem(await client.get("/v1/me"), 401, "not_authenticated")


async def test_internal_addresses_are_for_the_services_alone(client: httpx.AsyncClient) -> None:
    problem(await client.post("/internal/thing"), 401, "not_authenticated")
    problem(await client.post("/internal/thing", headers={"authorization": "Bearer abc"}), 401, "token_invalid")
    secret = SECRET.get_secret_value()
    assert (await client.post("/internal/thing", headers={"authorization": f"Bearer {secret}"})).status_code == 200


async def test_a_form_is_read_where_a_form_is_taken(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/token", data={"client_id": "a", "client_secret": "b c"})
    assert response.json() == {"client_id": "a", "client_secret": "b c"}
    problem(await client.post("/v1/token", json={}), 415, "unsupported_media_type")
    form = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"a=1&a=2", b"a=%00", b"a=%ff", b"&".join(b"%d=1" % number for number in range(30))):
        problem(await client.post("/v1/token", content=body, headers=form), 422, "invalid_request")


async def test_a_refusal_carries_its_own_members(client: httpx.AsyncClient) -> None:
    body = problem(await client.get("/refused"), 403, "out_of_scope")
    assert body["action_id"] == ID
    assert body["detail"] == "Ask for it."


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "refused"),
        OSError("Multiple exceptions: [Errno 111] Connect call failed"),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.exceptions.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.InterfaceError("pool is closing"),
        asyncpg.InterfaceError("cannot call Connection.fetch(): connection is closed"),
        httpx.ConnectError("refused"),
        KeysUnavailable("no keys yet"),
        ExceptionGroup("tasks", [ConnectionResetError(), TimeoutError()]),
    ],
)
async def test_a_part_that_does_not_answer_is_503_with_a_time_to_come_back(
    client: httpx.AsyncClient, error: Exception
) -> None:
    FAULTS["one"] = error
    response = await client.get("/fault/one")
    problem(response, 503, "unavailable")
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the secret is 1234"),
        asyncpg.InterfaceError("the server expects 1 argument for this query, 2 were passed"),
        asyncpg.UniqueViolationError("the secret is 1234"),
        ExceptionGroup("tasks", [ConnectionResetError(), KeyError("x")]),
    ],
)
async def test_a_fault_of_ours_is_500_and_says_nothing_of_our_insides(
    client: httpx.AsyncClient, error: Exception
) -> None:
    FAULTS["one"] = error
    response = await client.get("/fault/one")
    problem(response, 500, "internal_error")
    assert "1234" not in response.text
    assert "Error" not in response.text.replace("Internal Server Error", "")


async def test_a_bad_token_is_401_whatever_is_wrong_with_it(client: httpx.AsyncClient) -> None:
    FAULTS["one"] = InvalidToken("bad_signature")
    assert "bad_signature" not in (await client.get("/fault/one")).text
    problem(await client.get("/fault/one"), 401, "token_invalid")


async def test_a_record_that_would_be_too_long_is_422_and_names_the_field(client: httpx.AsyncClient) -> None:
    FAULTS["one"] = EventTooLarge("resources", 70_000)
    assert fields(await client.get("/fault/one")) == ["resources"]
