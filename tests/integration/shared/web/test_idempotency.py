"""Idempotency keys on a real database: one effect, one answer, whatever is sent again and however many at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pydantic import SecretStr

from shared.database.pool import Pool, open_pool, transaction
from shared.web.idempotency import (
    Answer,
    BodyDigest,
    Claim,
    Stored,
    Twin,
    claim,
    claim_one,
    prune,
    release,
    store,
    store_one,
)
from shared.web.problems import Problem
from tests.servers import Databases


class Undone(Exception):
    """Rolls a transaction back."""


digest = BodyDigest(SecretStr("0123456789abcdef0123456789abcdef"))


@pytest.fixture
async def pool(make_database: Databases) -> AsyncIterator[Pool]:
    opened = await open_pool(await make_database("approval"), service="approval", size=12)
    yield opened
    await opened.close()


def call(key: str = "k", body: bytes = b"{}", caller: str = "provider:eve", route: str = "POST /v1/requests") -> Claim:
    return Claim(caller, route, key, digest(body))


async def made(pool: Pool, one: Claim | None, body: bytes | None = b'{"id":1}', status: int = 201) -> Stored | None:
    """Make a call: its effect is its answer alone."""
    async with transaction(pool) as connection:
        found = await claim_one(connection, one)
        if found is None:
            await store_one(connection, one, status, body)
        return found


async def refusal(pool: Pool, one: Claim) -> Problem:
    with pytest.raises(Problem) as caught:
        await made(pool, one)
    return caught.value


async def test_a_repeat_gets_the_same_status_and_bytes(pool: Pool) -> None:
    body = b'{"id": "1",\n "name": "caf\xc3\xa9"}'
    assert await made(pool, call(), body, 202) is None
    for _ in range(2):
        again = await made(pool, call())
        assert again == Stored(202, body)
    assert again is not None
    assert again.response().body == body


async def test_another_body_under_the_same_key_is_a_conflict(pool: Pool) -> None:
    await made(pool, call(body=b"{}"))
    problem = await refusal(pool, call(body=b'{"a":1}'))
    assert (problem.status, problem.code) == (422, "idempotency_conflict")
    assert problem.errors[0][0] == "Idempotency-Key"


async def test_a_key_counts_for_its_caller_and_its_route_alone(pool: Pool) -> None:
    await made(pool, call())
    assert await made(pool, call(caller="contoso:eve")) is None
    assert await made(pool, call(route="POST /v1/requests/1/answers")) is None
    assert await made(pool, call(key="K")) is None


async def test_a_call_without_a_key_is_made_each_time(pool: Pool) -> None:
    assert await made(pool, None) is None
    assert await made(pool, None) is None


async def test_an_answer_with_a_secret_is_not_stored_and_a_repeat_is_told_so(pool: Pool) -> None:
    await made(pool, call(), None)
    problem = await refusal(pool, call())
    assert (problem.status, problem.code) == (409, "already_made")
    assert (await refusal(pool, call(body=b"x"))).code == "idempotency_conflict"


async def test_a_call_that_was_undone_leaves_its_key_free(pool: Pool) -> None:
    with contextlib.suppress(Undone):
        async with transaction(pool) as connection:
            await claim_one(connection, call())
            raise Undone
    assert await made(pool, call(body=b"another")) is None


async def test_a_parallel_call_waits_and_gets_the_first_ones_answer(pool: Pool) -> None:
    async with transaction(pool) as connection:
        assert await claim_one(connection, call()) is None
        second = asyncio.create_task(made(pool, call()))
        await asyncio.sleep(0.1)
        assert not second.done()
        await store_one(connection, call(), 201, b"first")
    assert await second == Stored(201, b"first")


async def test_a_parallel_call_is_made_when_the_first_was_undone(pool: Pool) -> None:
    second: asyncio.Task[Stored | None]
    with contextlib.suppress(Undone):
        async with transaction(pool) as connection:
            await claim_one(connection, call())
            second = asyncio.create_task(made(pool, call(), b"second"))
            await asyncio.sleep(0.1)
            raise Undone
    assert await second is None
    assert await made(pool, call()) == Stored(201, b"second")


async def test_of_fifty_calls_at_once_one_is_made(pool: Pool) -> None:
    outcomes = await asyncio.gather(*(made(pool, call(), b"%d" % number) for number in range(50)))
    assert outcomes.count(None) == 1
    assert len({outcome.body for outcome in outcomes if outcome}) == 1


async def test_a_batch_tells_for_each_call_what_it_is(pool: Pool) -> None:
    await made(pool, call("old"), b"old")
    await made(pool, call("secret"), None)
    batch = [
        call("new"),
        call("old"),
        None,
        call("old", b"x"),
        call("new"),
        call("new", b"x"),
        call("secret"),
        call("free"),
    ]
    async with transaction(pool) as connection:
        found = await claim(connection, batch)
        await store(connection, [Answer(call("new"), 201, b"new"), Answer(call("free"), 200, None)])
    codes: list[Any] = [outcome.code if isinstance(outcome, Problem) else outcome for outcome in found]
    conflict = "idempotency_conflict"
    assert codes == [None, Stored(201, b"old"), None, conflict, Twin(0), conflict, "already_made", None]
    assert await made(pool, call("new")) == Stored(201, b"new")
    assert (await refusal(pool, call("free"))).code == "already_made"


async def test_a_call_of_a_batch_that_was_refused_leaves_its_key_free(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await claim(connection, [call("made"), call("refused")])
        await release(connection, [call("refused")])
        await store(connection, [Answer(call("made"), 201, b"made")])
    assert await made(pool, call("refused", b"another")) is None
    assert await made(pool, call("made")) == Stored(201, b"made")


async def test_an_empty_batch_is_nothing(pool: Pool) -> None:
    async with transaction(pool) as connection:
        assert await claim(connection, []) == []
        assert await claim(connection, [None, None]) == [None, None]
        await store(connection, [])
        await release(connection, [])


async def test_batches_in_any_order_never_wait_for_each_other_in_a_circle(pool: Pool) -> None:
    async def batch(keys: Sequence[int]) -> int:
        claims = [call(str(key)) for key in keys]
        async with transaction(pool) as connection:
            found = await claim(connection, claims)
            await asyncio.sleep(0.001)
            mine = [one for one, outcome in zip(claims, found, strict=True) if outcome is None]
            await store(connection, [Answer(one, 201, b"made") for one in mine])
        return len(mine)

    orders = [
        [(start + step * stride) % 31 for step in range(31)]
        for start, stride in enumerate((1, 30, 7, 12, 5, 19, 3, 28) * 3)
    ]
    assert sum(await asyncio.gather(*(batch(order) for order in orders))) == 31


async def test_after_24_hours_a_key_is_free_again(pool: Pool) -> None:
    await made(pool, call("old"))
    await made(pool, call("recent"))
    await age(pool, "old", "24 hours 1 second")
    await age(pool, "recent", "23 hours 59 minutes")
    assert await made(pool, call("old", b"another"), b"anew") is None
    assert await made(pool, call("old", b"another")) == Stored(201, b"anew")
    assert await made(pool, call("recent")) == Stored(201, b'{"id":1}')


async def test_only_keys_older_than_24_hours_are_removed(pool: Pool) -> None:
    for key in ("a", "b", "c", "recent"):
        await made(pool, call(key))
    for key in ("a", "b", "c"):
        await age(pool, key, "25 hours")
    async with transaction(pool) as connection:
        assert [await prune(connection, limit=2), await prune(connection), await prune(connection)] == [2, 1, 0]
    assert await made(pool, call("recent")) is not None


async def age(pool: Pool, key: str, by: str) -> None:
    await pool.execute("UPDATE idempotency SET made_at = made_at - $2::text::interval WHERE key = $1", key, by)


async def test_a_body_cannot_be_found_by_its_plain_hash(pool: Pool) -> None:
    await made(pool, call(body=b"{}"))
    stored = await pool.fetchval("SELECT digest FROM idempotency")
    other = BodyDigest(SecretStr("another secret of thirty-two chars"))
    assert stored == digest(b"{}")
    assert stored != other(b"{}")


async def test_hundreds_of_new_keys_are_claimed_and_stored_by_two_statements(pool: Pool) -> None:
    claims = [call(f"key-{number}") for number in range(500)]
    queries: list[str] = []
    async with pool.acquire() as connection:
        # The driver asks once on each connection for the types that it does not know.
        await claim(connection, [call("first")])
        await store(connection, [Answer(call("first"), 201, b"{}")])
        with connection.query_logger(lambda record: queries.append(record.query)):
            async with connection.transaction():
                await claim(connection, claims)
                await store(connection, [Answer(one, 201, b"{}") for one in claims])
            await asyncio.sleep(0)
    assert [query.split()[0] for query in queries] == ["BEGIN;", "INSERT", "UPDATE", "COMMIT;"]
