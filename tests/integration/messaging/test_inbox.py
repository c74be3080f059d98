"""The inbox on a real PostgreSQL: once, in order, and nothing lost when something is wrong."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from structlog.contextvars import get_contextvars

from shared.database.pool import Connection, Pool
from shared.events.envelope import Event
from shared.messaging.dead_letters import NoSuchDeadLetter, listing, replay, show
from shared.messaging.delivery import Delivery
from shared.messaging.inbox import Inbox, Outcome, is_blocked
from shared.messaging.topology import EXCHANGE
from tests.kernel import event_of, handlers_that, pool_of, submitted, withdrawn
from tests.servers import Databases


def delivery(event: Event, **changes: Any) -> Delivery:
    fields: dict[str, Any] = {
        "body": event.raw,
        "routing_key": event.type,
        "exchange": EXCHANGE,
        "user_id": "request_api",
        "headers": {},
    }
    return Delivery(**(fields | changes))


class Recorder:
    """A handler that writes what it saw into a table, in the transaction it is given."""

    def __init__(self) -> None:
        self.poison: Callable[[Event], bool] = lambda _: False
        self.not_yet: Callable[[Event], bool] = lambda _: False
        self.committed: list[str] = []

    async def __call__(self, connection: Connection, event: Event) -> Outcome | None:
        if self.poison(event):
            raise ValueError("this event cannot be applied")
        if self.not_yet(event):
            return Outcome.NOT_YET
        # The freshness table stands in for a service's own: what is written here is undone with the transaction.
        await connection.execute("INSERT INTO freshness VALUES ($1, clock_timestamp())", event.id)
        return None

    def applied(self, events: Any) -> None:
        self.committed += [event.id for event in events]


async def blocked(pool: Pool, subjects: list[str]) -> bool:
    async with pool.acquire() as connection:
        return await is_blocked(connection, subjects)


async def listed(pool: Pool) -> dict[str, Any]:
    async with pool.acquire() as connection:
        return await listing(connection)


async def shown(pool: Pool, number: int) -> dict[str, Any]:
    async with pool.acquire() as connection:
        return await show(connection, number)


async def seen(pool: Pool) -> list[str]:
    return [row["service"] for row in await pool.fetch("SELECT service FROM freshness ORDER BY complete_until")]


async def test_a_second_delivery_changes_nothing_within_a_batch_or_later(make_database: Databases) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        recorder = Recorder()
        inbox = Inbox(pool, "approval", handlers_that(recorder), applied=recorder.applied)
        events = [event_of(submitted(), sequence=number) for number in range(1, 6)]
        await inbox.apply([delivery(event) for event in events + events])
        await inbox.apply([delivery(event) for event in reversed(events)])
        assert await seen(pool) == [event.id for event in events]
        assert recorder.committed == [event.id for event in events]


async def test_a_poison_event_blocks_its_own_subject_only_and_a_replay_brings_in_what_waited_in_order(
    make_database: Databases,
) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        recorder = Recorder()
        inbox = Inbox(pool, "approval", handlers_that(recorder), applied=recorder.applied)
        poison = event_of(submitted())
        other = event_of(submitted(), sequence=2)
        behind = [event_of(withdrawn(poison.subject), sequence=number) for number in (3, 4)]
        recorder.poison = lambda event: event.id == poison.id
        await inbox.apply([delivery(event) for event in (poison, behind[0], other)])
        await inbox.apply([delivery(behind[1])])

        assert await seen(pool) == [other.id]
        assert await blocked(pool, [poison.subject])
        assert not await blocked(pool, [other.subject])
        (dead,) = (await listed(pool))["dead_letters"]
        assert (dead["event_id"], dead["parked"], dead["error"]) == (
            poison.id,
            2,
            "ValueError: this event cannot be applied",
        )
        assert (await shown(pool, dead["id"]))["body"] == poison.raw.decode()

        still = await replay(pool, inbox, dead["id"], by="otto@provider.example")
        assert still.applied == 0
        assert still.failed == "ValueError: this event cannot be applied"
        assert await pool.fetchval("SELECT attempts FROM dead_letters") == 2

        recorder.poison = lambda _: False
        done = await replay(pool, inbox, dead["id"], by="otto@provider.example")
        assert (done.applied, done.waiting, done.failed) == (3, 0, None)
        assert await seen(pool) == [other.id, poison.id, behind[0].id, behind[1].id]
        assert await pool.fetchval("SELECT replayed_by FROM dead_letters") == "otto@provider.example"
        assert not await blocked(pool, [poison.subject])
        with pytest.raises(NoSuchDeadLetter):
            await replay(pool, inbox, dead["id"], by="otto@provider.example")


async def test_a_second_poison_behind_the_first_keeps_the_rest_waiting_in_order(make_database: Databases) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        recorder = Recorder()
        inbox = Inbox(pool, "approval", handlers_that(recorder))
        first = event_of(submitted())
        second, third = (event_of(withdrawn(first.subject), sequence=number) for number in (2, 3))
        poisons = {first.id, second.id}
        recorder.poison = lambda event: event.id in poisons
        await inbox.apply([delivery(event) for event in (first, second, third)])
        number = await pool.fetchval("SELECT id FROM dead_letters")
        poisons.discard(first.id)
        half = await replay(pool, inbox, number, by="otto@provider.example")
        assert (half.applied, half.waiting) == (1, 1)
        assert half.failed is not None
        assert await seen(pool) == [first.id]
        poisons.clear()
        number = await pool.fetchval("SELECT id FROM dead_letters WHERE replayed_at IS NULL")
        await replay(pool, inbox, number, by="otto@provider.example")
        assert await seen(pool) == [first.id, second.id, third.id]


@pytest.mark.parametrize("seed", range(5))
async def test_an_event_before_its_state_waits_and_follows_in_whatever_order_they_come(
    make_database: Databases, seed: int
) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        recorder = Recorder()
        applied: set[str] = set()

        async def handle(connection: Connection, event: Event) -> Outcome | None:
            # Each needs the one before it of its subject.
            before = event.sequence - 1
            if before and f"{event.subject}/{before}" not in applied:
                return Outcome.NOT_YET
            await recorder(connection, event)
            applied.add(f"{event.subject}/{event.sequence}")
            return None

        inbox = Inbox(pool, "approval", handlers_that(handle))
        subjects = [event_of(submitted()).subject for _ in range(4)]
        events = [event_of(withdrawn(subject), sequence=number) for subject in subjects for number in range(1, 6)]
        twice = events + events
        random.Random(seed).shuffle(twice)
        for start in range(0, len(twice), 7):
            await inbox.apply([delivery(event) for event in twice[start : start + 7]])
        assert sorted(await seen(pool)) == sorted(event.id for event in events)
        assert await pool.fetchval("SELECT count(*) FROM parked") == 0


async def test_a_transient_fault_changes_nothing_and_kills_nothing(make_database: Databases) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        recorder = Recorder()
        down = True

        async def handle(connection: Connection, event: Event) -> Outcome | None:
            await recorder(connection, event)
            if down and event.sequence == 3:
                raise ConnectionResetError
            return None

        inbox = Inbox(pool, "approval", handlers_that(handle))
        events = [event_of(submitted(), sequence=number) for number in range(1, 6)]
        with pytest.raises(ConnectionResetError):
            await inbox.apply([delivery(event) for event in events])
        assert await seen(pool) == []
        assert await pool.fetchval("SELECT count(*) FROM inbox") == 0
        down = False
        await inbox.apply([delivery(event) for event in events])
        assert await seen(pool) == [event.id for event in events]
        assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user_id": None}, "user_id is missing"),
        ({"user_id": "expiry"}, "expiry does not own lockbox.request.submitted.v1"),
        ({"routing_key": "lockbox.request.withdrawn.v1"}, "is not the type"),
        ({"headers": {"CC": ["lockbox.request.approved.v1"]}}, "a CC or BCC header"),
        ({"headers": {"bcc": ["x"]}}, "a CC or BCC header"),
        ({"exchange": ""}, "it came through the exchange"),
        ({"body": b"\xff{"}, "not JSON"),
        ({"body": b"[]"}, "not a CloudEvent"),
        ({"routing_key": "lockbox.control.approval", "user_id": "approval"}, "nobody here listens"),
    ],
)
async def test_what_cannot_be_attributed_is_quarantined_and_the_rest_goes_on(
    make_database: Databases, changes: dict[str, Any], reason: str
) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        inbox = Inbox(pool, "approval", handlers_that(Recorder()))
        good, bad = event_of(submitted()), event_of(submitted(), sequence=2)
        await inbox.apply([delivery(bad, **changes), delivery(good)])
        assert await seen(pool) == [good.id]
        (row,) = await pool.fetch("SELECT * FROM quarantine")
        assert reason in row["reason"]
        assert row["body"] == changes.get("body", bad.raw)
        assert len((await listed(pool))["quarantine"]) == 1


async def test_a_message_of_an_owner_with_the_wrong_source_is_quarantined(make_database: Databases) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        inbox = Inbox(pool, "approval", handlers_that(Recorder()))
        await inbox.apply([delivery(event_of(submitted(), service="approval"))])
        assert "is not the owner's" in await pool.fetchval("SELECT reason FROM quarantine")


async def test_what_a_handler_logs_names_the_event_and_its_tenant(make_database: Databases) -> None:
    async with pool_of(await make_database("approval"), "approval") as pool:
        bound: list[dict[str, Any]] = []

        async def handle(connection: Connection, event: Event) -> None:
            bound.append(get_contextvars())

        event = event_of(submitted())
        await Inbox(pool, "approval", handlers_that(handle)).apply([delivery(event)])
        assert bound == [{"event_id": event.id, "tenant": "contoso"}]
        assert "event_id" not in get_contextvars()
