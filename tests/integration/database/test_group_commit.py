"""Group commit on a real PostgreSQL: each caller has his own answer, after his own commit."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.database.group_commit import GroupCommit
from shared.database.pool import Pool, transaction
from shared.events.envelope import Draft
from tests.kernel import pool_of, submitted
from tests.servers import Databases


def group_of(pool: Pool, sizes: list[int]) -> GroupCommit[Draft, int]:
    async def run(drafts: Sequence[Draft]) -> list[int | Exception]:
        from shared.database.outbox import append
        from shared.database.pool import clock

        sizes.append(len(drafts))
        async with transaction(pool) as connection:
            events = await append(connection, "request_api", drafts, now=await clock(connection))
        return [event.sequence for event in events]

    return GroupCommit(run, limit=64)


async def test_concurrent_callers_share_transactions_and_each_gets_his_own_answer(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        sizes: list[int] = []
        group = group_of(pool, sizes)
        numbers = await asyncio.gather(*(group.submit(submitted()) for _ in range(500)))
        await group.close()
        assert sorted(numbers) == list(range(1, 501))
        assert len(sizes) < 50
        assert max(sizes) <= 64


async def test_an_answer_is_given_after_its_commit(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        group = group_of(pool, [])

        async def one() -> None:
            number = await group.submit(submitted())
            assert await pool.fetchval("SELECT 1 FROM events WHERE sequence = $1", number) == 1

        await asyncio.gather(*(one() for _ in range(100)))
        await group.close()


async def test_one_callers_poison_fails_him_alone(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        group = group_of(pool, [])
        drafts = [submitted(), submitted(detail="x" * 60_000), submitted()]
        answers = await asyncio.gather(*(group.submit(draft) for draft in drafts), return_exceptions=True)
        await group.close()
        assert [type(answer).__name__ for answer in answers] == ["int", "EventTooLarge", "int"]
        assert await pool.fetchval("SELECT count(*) FROM events") == 2


async def test_when_the_database_is_gone_every_caller_is_told_and_nothing_is_half_done(
    make_database: Databases,
) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        calls = 0

        async def run(drafts: Sequence[Draft]) -> list[int | Exception]:
            nonlocal calls
            calls += 1
            raise ConnectionResetError

        group: GroupCommit[Draft, int] = GroupCommit(run)
        answers = await asyncio.gather(*(group.submit(submitted()) for _ in range(20)), return_exceptions=True)
        await group.close()
        assert all(isinstance(answer, ConnectionResetError) for answer in answers)
        assert calls <= 2
        assert await pool.fetchval("SELECT count(*) FROM events") == 0


async def test_a_caller_who_has_gone_away_disturbs_nobody(make_database: Databases) -> None:
    async with pool_of(await make_database("request_api"), "request_api") as pool:
        group = group_of(pool, [])
        gone = asyncio.create_task(group.submit(submitted()))
        stays = asyncio.create_task(group.submit(submitted()))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays > 0
        with pytest.raises(asyncio.CancelledError):
            await gone
        await group.close()
