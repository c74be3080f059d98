"""While its database is away, nothing is accepted and nothing is allowed; afterwards all goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests import servers
from tests.integration.request_api.world import World, asked
from tests.kernel import until


@asynccontextmanager
async def away(here: World, server: servers.PostgresServer) -> AsyncIterator[None]:
    """Cut every connection to request_api's database, and let none in for the length of the block."""
    name = await here.database.fetchval("SELECT current_database()")
    admin = await asyncpg.connect(server.url)
    try:
        await admin.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        try:
            yield
        finally:
            await admin.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')
    finally:
        await admin.close()


async def test_what_cannot_be_recorded_is_refused(here: World, postgres: servers.PostgresServer) -> None:
    granted = await here.granted()
    session = here.session(granted.engineer)
    before = await here.stored()
    async with away(here, postgres):
        action = await here.act(granted.headers)
        assert (action.status_code, action.json()["code"]) == (503, "cannot_record")
        assert int(action.headers["retry-after"]) > 0
        for call in (
            here.http.post("/v1/requests", json=asked(granted.tenant), headers=session),
            here.http.get("/v1/requests", headers=session),
            here.http.post(f"/v1/requests/{granted.id}/token", headers=session),
            here.http.post(f"/v1/grants/{granted.grant_id}/release", headers=session),
        ):
            answer = await call
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
        ready = await here.http.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["database"] == "ok") == (503, False)
        assert (await here.http.get("/healthz")).status_code == 200
    assert await here.stored() == before

    async def allowed_again() -> bool:
        return (await here.act(granted.headers)).status_code == 201

    await until(allowed_again)
    made = await here.submit(granted.engineer, granted.tenant)
    await here.approve(made["id"])
    assert (await here.act(await here.token(granted.engineer, made["id"]))).status_code == 201
