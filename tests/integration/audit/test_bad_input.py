"""Bad input on every endpoint: the contract's error, and nothing stored."""

from typing import Any

import pytest

from shared.events.envelope import new_id
from shared.web.paging import encode_cursor
from tests.integration.audit.conftest import System
from tests.integration.audit.parts import INTERNAL

EVENTS = "/v1/events"
STREAM = "/v1/events/stream"
REQUESTS = "/v1/requests"
ONE = f"/v1/requests/{new_id()}"

BAD: list[tuple[str, dict[str, Any], str]] = [
    (EVENTS, {"limit": 0}, "limit"),
    (EVENTS, {"limit": 1001}, "limit"),
    (EVENTS, {"limit": "many"}, "limit"),
    (EVENTS, {"wait": 31}, "wait"),
    (EVENTS, {"wait": -1}, "wait"),
    (EVENTS, {"after": "!"}, "after"),
    (EVENTS, {"after": "x" * 2000}, "after"),
    (EVENTS, {"after": encode_cursor("fabrikam", 0)}, "after"),
    (EVENTS, {"after": encode_cursor("contoso", -1)}, "after"),
    (EVENTS, {"after": encode_cursor("contoso", 2**62)}, "after"),
    (EVENTS, {"after": encode_cursor("contoso")}, "after"),
    (EVENTS, {"type": "lockbox.nothing.v1"}, "type"),
    (EVENTS, {"subject": "s" * 256}, "subject"),
    (EVENTS, {"subject": ""}, "subject"),
    (EVENTS, {"since": "yesterday"}, "since"),
    (EVENTS, {"since": "2026-01-01T00:00:00"}, "since"),
    (EVENTS, {"tenant": "Contoso!"}, "tenant"),
    (EVENTS, {"format": "ocsf"}, "format"),
    (EVENTS, {"format": "cef"}, "format"),
    (EVENTS, {"format": "m365"}, "format"),
    (EVENTS, {"format": "xml"}, "format"),
    (EVENTS, {"subject": "a\0b"}, "subject"),
    (STREAM, {"after": "!"}, "after"),
    (STREAM, {"type": "lockbox.nothing.v1"}, "type"),
    (REQUESTS, {"state": "open"}, "state"),
    (REQUESTS, {"approver": "nobody"}, "approver"),
    (REQUESTS, {"engineer": "e" * 256}, "engineer"),
    (REQUESTS, {"service": ""}, "service"),
    (REQUESTS, {"since": "2026-13-01T00:00:00Z"}, "since"),
    (REQUESTS, {"until": "later"}, "until"),
    (REQUESTS, {"cursor": encode_cursor("never", "id")}, "cursor"),
    (REQUESTS, {"cursor": encode_cursor(1, 2)}, "cursor"),
    (REQUESTS, {"limit": 1001}, "limit"),
]


async def fingerprint(system: System) -> tuple[Any, ...]:
    row = await system.pool.fetchrow(
        "SELECT (SELECT position FROM log_end), (SELECT count(*) FROM reads), (SELECT count(*) FROM events)"
    )
    assert row is not None
    return tuple(row)


async def test_a_bad_parameter_is_named_and_nothing_is_stored(system: System) -> None:
    before = await fingerprint(system)
    headers = system.auditor.headers()
    for place, params, field in BAD:
        answer = await system.http.get(place, params=params, headers=headers)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "invalid_request"), (place, params, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["field"] for error in problem["errors"]] == [field]
    assert await fingerprint(system) == before


async def test_a_format_that_comes_later_is_named(system: System) -> None:
    answer = await system.http.get(EVENTS, params={"format": "ocsf"}, headers=system.auditor.headers())
    assert answer.json()["errors"][0]["message"] == "ocsf is not available yet: use cloudevents"


@pytest.mark.parametrize(
    "place",
    ["/v1/events/not-an-id", "/v1/events/not-an-id/bytes", "/v1/requests/1", f"{EVENTS}/{new_id()}", ONE],
    ids=["no id", "bytes of no id", "a number", "an event", "a request"],
)
async def test_an_unknown_id_is_not_found(place: str, system: System) -> None:
    before = await fingerprint(system)
    answer = await system.http.get(place, headers=system.auditor.headers())
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await fingerprint(system) == before


async def test_another_form_than_json_is_not_acceptable(system: System) -> None:
    answer = await system.http.get(EVENTS, headers=system.auditor.headers() | {"Accept": "text/html"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    both = system.auditor.headers() | {"Accept": "text/html, application/json;q=0.9"}
    assert (await system.http.get(EVENTS, headers=both)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_in_the_log_can_be_written_over_http(method: str, system: System) -> None:
    before = await fingerprint(system)
    for place in (EVENTS, f"{EVENTS}/{new_id()}", REQUESTS, ONE):
        answer = await system.http.request(method, place, headers=system.admin.headers())
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert await fingerprint(system) == before


async def test_what_is_for_the_other_services_is_closed_to_people(system: System) -> None:
    places = [("GET", f"/internal/v1/events/{new_id()}"), ("POST", "/internal/v1/projections/requests/rebuild")]
    places += [("GET", "/internal/dead-letters"), ("POST", "/internal/dead-letters/1/replay")]
    for method, place in places:
        assert (await system.http.request(method, place)).status_code == 401
        answer = await system.http.request(method, place, headers=system.admin.headers())
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_the_internal_calls_check_their_input_too(system: System) -> None:
    for params in ({"wait": "soon"}, {"wait": 31}, {"wait": -1}, {"wait": "nan"}):
        answer = await system.http.get(f"/internal/v1/events/{new_id()}", params=params, headers=INTERNAL)
        assert answer.status_code == 422, params
    for place in ("/internal/v1/events/nothing", f"/internal/v1/events/{new_id()}"):
        assert (await system.http.get(place, headers=INTERNAL)).status_code == 404
    answer = await system.http.post("/internal/v1/projections/nothing/rebuild", headers=INTERNAL)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
