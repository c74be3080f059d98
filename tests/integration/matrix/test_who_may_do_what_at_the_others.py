"""Every role of either realm tries every route of request_api and audit, which know people by what they hear of them."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from services.audit.app import build as build_audit
from services.request_api.app import build as build_request_api
from shared.events.envelope import new_id
from shared.settings import Settings
from tests.integration.matrix.conftest import Everybody
from tests.integration.matrix.other_tables import OTHER_CREDENTIALS, PUBLIC, TABLES
from tests.integration.matrix.table import Row, routes_in, routes_of
from tests.system import Person, asks

BUILT = {"request_api": build_request_api, "audit": build_audit}
ROWS = [(service, row) for service, rows in TABLES.items() for row in rows]
NAMES = [f"{service} {row.name}" for service, row in ROWS]
WRITTEN = {
    "request_api": "SELECT (SELECT count(*) FROM events), (SELECT coalesce(sum(revision), 0) FROM requests), "
    "(SELECT count(*) FROM idempotency)",
    "audit": "SELECT count(*) FROM events",
}


async def prepared(everybody: Everybody, stage: str) -> tuple[dict[str, str], Any]:
    """Give the values of the path and the body, of something that is as the stage says."""
    granted = {"id": everybody.request_id, "request_id": everybody.request_id}
    more = {"grant_id": everybody.grant_id, "event_id": everybody.event_id}
    if stage == "granted":
        return granted | more, None
    if stage == "submission":
        return {}, asks()
    if stage == "nothing":
        return {}, None
    if stage == "no_request":
        return {"id": new_id()}, None
    engineer, manager = everybody.people["engineer"], everybody.people["manager"]
    request = (await engineer.does("request_api", "POST", "/v1/requests", asks()))["id"]
    if stage == "answer":
        await manager.awaits("approval", request, "awaiting_provider")
        await manager.does("approval", "POST", f"/v1/requests/{request}/questions", {"text": "Why?"})
    return {"id": request}, {"text": "Because."} if stage == "answer" else None


async def call(person: Person, service: str, row: Row, values: dict[str, str], body: Any) -> httpx.Response:
    """Call, and give the answer's beginning: a stream has no end."""
    async with person.stream(service, row.method, row.path.format(**values), body) as answer:
        if not answer.is_success:
            await answer.aread()
        return answer


async def written(everybody: Everybody, service: str) -> str:
    """Give what a refused call must leave as it was."""
    connection = await asyncpg.connect(everybody.system.databases[service])
    try:
        return repr(await connection.fetchrow(WRITTEN[service]))
    finally:
        await connection.close()


@pytest.mark.parametrize("service", TABLES)
def test_every_route_has_its_row(service: str) -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"),
        amqp_url=SecretStr("amqp://nobody@127.0.0.1:1/none"),
        internal_secret=SecretStr("0123456789abcdef0123456789abcdef"),
        log_origin="lockbox.test",
        approval_url="http://127.0.0.1:1",
        audit_url="http://127.0.0.1:1",
    )
    declared = routes_in(TABLES[service]) | set(OTHER_CREDENTIALS[service]) | set(PUBLIC[service])
    assert declared == routes_of(BUILT[service](settings))


@pytest.mark.parametrize(("service", "row"), ROWS, ids=NAMES)
async def test_nobody_but_who_may(service: str, row: Row, everybody: Everybody) -> None:
    values, body = await prepared(everybody, row.stage)
    before = await written(everybody, service)
    refused = {who: await call(everybody.people[who], service, row, values, body) for who in row.refusals()}
    assert {who: answer.status_code for who, answer in refused.items()} == row.refusals()
    for token in ("", "nonsense", "a.b.c"):
        stranger = Person(everybody.system.urls, token or "none")
        assert (await call(stranger, service, row, values, body)).status_code == 401
        await stranger.close()
    if service == "request_api":
        assert (await call(everybody.machine, service, row, values, body)).status_code == 401
    assert await written(everybody, service) == before


@pytest.mark.parametrize(("service", "row"), ROWS, ids=NAMES)
async def test_who_may_can(service: str, row: Row, everybody: Everybody) -> None:
    readers = [everybody.people[who] for who in row.allowed]
    if service == "audit":
        readers.append(everybody.machine)
    for person in readers:
        answer = await call(person, service, row, *await prepared(everybody, row.stage))
        assert answer.status_code in row.success, answer.text


@pytest.mark.parametrize(
    ("service", "route"), [(service, route) for service, routes in OTHER_CREDENTIALS.items() for route in routes]
)
async def test_a_session_is_no_other_credential(service: str, route: str, everybody: Everybody) -> None:
    values = {"number": "1", "name": "requests", "action_id": new_id(), "event_id": everybody.event_id}
    row, before = Row(route), await written(everybody, service)
    bodies: dict[str, Any] = {
        "POST /v1/actions": {"resource": "exchange-online/mailboxes/alice", "operation": "read"},
        "POST /v1/actions/{action_id}/completion": {"outcome": "success"},
    }
    for who, person in (*everybody.people.items(), ("machine", everybody.machine)):
        answer = await call(person, service, row, values, bodies.get(route))
        assert answer.status_code == 401, f"{who}: {answer.text}"
    assert await written(everybody, service) == before or route.startswith("POST /v1/actions")


@pytest.mark.parametrize(
    ("service", "route"), [(service, route) for service, routes in PUBLIC.items() for route in routes]
)
async def test_what_is_public_needs_nobody(service: str, route: str, everybody: Everybody) -> None:
    async with httpx.AsyncClient(base_url=everybody.system.urls[service], trust_env=False) as http:
        assert (await http.request(*route.split(" "))).status_code == 200
