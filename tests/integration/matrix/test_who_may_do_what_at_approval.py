"""Every role of either realm tries every route of approval: who may, does; everybody else is refused and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.integration.approval.system import Approval, approval_on
from tests.integration.matrix.approval_table import INTERNAL, ROWS
from tests.integration.matrix.people import PEOPLE, WITHOUT_ROLE
from tests.integration.matrix.stages import ADMIN, OPERATOR, STAGES, Scene
from tests.integration.matrix.table import Row, routes_in, routes_of
from tests.servers import Databases, PostgresServer

# What a call may write without changing anything: that it was made, and when.
MACHINE = "a machine client"
NOT_COMPARED = {"attempts", "failed_attempts", "migrations"}


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    databases = Databases(postgres.url)
    try:
        async with approval_on(await databases("approval"), tmp_path_factory.mktemp("keys")) as running:
            body = {"email": WITHOUT_ROLE, "name": "Nemo"}
            added = await running.call(OPERATOR, "POST", "/v1/tenants/provider/members", body)
            assert added.status_code == 201, added.text
            named = running.settings.model_copy(update={"portal_url": "http://localhost:8000"})
            running.app.state.parts = replace(running.app.state.parts, settings=named)
            running.tokens[MACHINE] = await machine(running)
            for email in PEOPLE.values():
                await running.token(email)
            yield running
    finally:
        await databases.drop()


async def machine(approval: Approval) -> str:
    """Fetch the token of one of contoso's machine clients."""
    scene = await STAGES["new_client"](approval)
    made = (await approval.call(ADMIN, "POST", "/v1/tenants/contoso/clients", scene.body)).json()
    form = {"grant_type": "client_credentials", "client_id": made["id"], "client_secret": made["secret"]}
    token: str = (await approval.http.post("/v1/token", data=form)).json()["access_token"]
    return token


async def stored(approval: Approval) -> dict[str, str]:
    """Give a digest of each table: what a refused call must leave as it was."""
    found = await approval.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = sorted({row["tablename"] for row in found} - NOT_COMPARED)
    digests = "SELECT '{0}' AS name, md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {0} t"
    rows = await approval.pool.fetch(" UNION ALL ".join(digests.format(name) for name in names))
    return {row["name"]: row["digest"] for row in rows}


async def call(approval: Approval, who: str | None, row: Row, scene: Scene, **headers: str) -> httpx.Response:
    path = row.path.format(**scene.path)
    return await approval.call(PEOPLE[who] if who else None, row.method, path, scene.body, **headers)


def test_every_route_has_its_row(approval: Approval) -> None:
    assert routes_in(ROWS) | set(INTERNAL) == routes_of(approval.app)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.without_token], ids=lambda row: row.name)
async def test_nobody_but_who_may(approval: Approval, row: Row) -> None:
    scene = await STAGES[row.stage](approval)
    before = await stored(approval)
    answers = {who: await call(approval, who, row, scene) for who in row.refusals()}
    said = {who: answer.status_code for who, answer in answers.items()}
    assert said == row.refusals(), {who: answer.text for who, answer in answers.items()}
    assert {answer.headers["content-type"] for answer in answers.values()} <= {"application/problem+json"}
    # A machine reads the log, at audit: here it is nobody.
    for token in (None, "nonsense", "a.b.c", approval.tokens[MACHINE]):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        assert (await call(approval, None, row, scene, **headers)).status_code == 401
    assert await stored(approval) == before


@pytest.mark.parametrize("row", [row for row in ROWS if row.allowed], ids=lambda row: row.name)
async def test_who_may_can(approval: Approval, row: Row) -> None:
    for who in row.allowed:
        answer = await call(approval, who, row, await STAGES[row.stage](approval))
        assert answer.status_code in row.success, f"{who}: {answer.status_code} {answer.text}"
        if row.route == "DELETE /v1/sessions/current":
            del approval.tokens[PEOPLE[who]]
            await approval.token(PEOPLE[who])


@pytest.mark.parametrize("row", [row for row in ROWS if row.without_token], ids=lambda row: row.name)
async def test_what_asks_for_no_session_is_there_without_one(approval: Approval, row: Row) -> None:
    scene = await STAGES[row.stage](approval)
    before: Any = await stored(approval)
    answer = await call(approval, None, row, scene)
    assert answer.status_code in row.success, answer.text
    assert await stored(approval) == before


@pytest.mark.parametrize("route", INTERNAL)
async def test_no_person_passes_for_a_service(approval: Approval, route: str) -> None:
    row = Row(route)
    for who in (None, *PEOPLE):
        answer = await call(approval, who, row, Scene({"number": "1"}))
        assert answer.status_code == 401, f"{who}: {answer.text}"
