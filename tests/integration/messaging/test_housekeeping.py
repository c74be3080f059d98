"""What a running service forgets by itself: what was sent long ago, old idempotency keys, and what it names itself."""

import pytest

import shared.service
from shared.database.pool import Connection
from shared.events.envelope import Event
from shared.service import running
from tests.kernel import commit, handlers_that, submitted, until
from tests.servers import Brokers, Databases


async def test_old_rows_go_and_one_pruning_that_fails_for_a_while_holds_up_no_other(
    make_database: Databases, make_broker: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.service, "HOUSEKEEPING_SECONDS", 0.1)
    calls = 0

    async def own(_connection: Connection) -> None:
        nonlocal calls
        calls += 1
        raise ConnectionResetError

    async def handle(_connection: Connection, _event: Event) -> None:
        pass

    broker = await make_broker()
    async with running(
        "approval",
        database_url=await make_database("approval"),
        amqp_url=broker.urls["approval"],
        handlers=handlers_that(handle),
        forget=[own],
    ) as service:
        (kept,) = await commit(service.pool, [submitted("fabrikam")])
        await service.pool.execute(
            """WITH sent AS (INSERT INTO relay VALUES ('contoso', 1))
               INSERT INTO events VALUES ('contoso', 1, gen_random_uuid(), 't', 's', NULL, now() - interval '8 days', '')"""
        )
        await service.pool.execute(
            "INSERT INTO idempotency VALUES ('c', 'r', 'k', '', now() - interval '25 hours', 201, '')"
        )

        async def forgotten() -> bool:
            return not await service.pool.fetchval(
                "SELECT (SELECT count(*) FROM events WHERE tenant = 'contoso') + (SELECT count(*) FROM idempotency)"
            )

        await until(forgotten)
        await until(lambda: calls >= 2)
        assert await service.pool.fetchval("SELECT body FROM events") == kept.raw
