"""A message that is not its owner's is set aside and noted in the provider's log; no tenant's log ever has it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiormq
import asyncpg
import orjson
import pytest

from services.audit.ingest import Ingest
from shared.database.pool import Pool
from shared.events.envelope import PROVIDER
from shared.service import Service, running
from tests import story
from tests.integration.audit.parts import bodies, delivery, ingest
from tests.kernel import event_of, pool_of, publish, submitted, until
from tests.servers import Broker, Brokers, Databases


async def noted(pool: Pool) -> list[dict[str, Any]]:
    """Return what the provider's log says of quarantined messages."""
    return [orjson.loads(body)["data"] for body in await bodies(pool, PROVIDER)]


@asynccontextmanager
async def auditing(url: str, broker: Broker) -> AsyncIterator[Service]:
    async with running(
        "audit", database_url=url, amqp_url=broker.urls["audit"], make_apply=lambda pool: Ingest(pool).apply
    ) as service:
        yield service


@pytest.mark.delivery
async def test_forged_messages_are_quarantined_and_noted_and_real_ones_logged(
    make_database: Databases, make_broker: Brokers
) -> None:
    broker = await make_broker()
    real, foreign, anonymous, smuggled = (event_of(submitted(), sequence=number) for number in (1, 2, 3, 4))
    no_event = b"\xff not an event"
    async with auditing(await make_database("audit"), broker) as service:
        admin = broker.admin_url
        # A broker's administrator can do what no service's user may.
        await publish(admin, foreign.raw, foreign.type, user_id="admin")
        await publish(admin, anonymous.raw, anonymous.type, user_id=None)
        # A service gets past its own rights with a CC header.
        notifier = "lockbox.notification.delivered.v1"
        carbon = {"CC": [smuggled.type]}
        smuggler = "notifier"
        try:
            await publish(broker.urls["notifier"], smuggled.raw, notifier, user_id="notifier", headers=carbon)
        except aiormq.exceptions.ChannelAccessRefused:
            # RabbitMQ 4 looks at the carbon copies too; the check here must hold all the same.
            smuggler = "admin"
            await publish(admin, smuggled.raw, notifier, user_id="admin", headers=carbon)
        await publish(admin, no_event, real.type, user_id=None)
        await publish(broker.urls["request_api"], real.raw, real.type, user_id="request_api")
        await until(lambda: _counts(service.pool, contoso=1, quarantine=4))
        assert await bodies(service.pool, "contoso") == [real.raw]
        notes = await noted(service.pool)
        digests = {hashlib.sha256(body).hexdigest() for body in (foreign.raw, anonymous.raw, smuggled.raw, no_event)}
        assert {note["digest"] for note in notes} == digests
        by_digest = {note["digest"]: (note["user"], note["routing_key"], note["reason"]) for note in notes}
        owns_not = "admin does not own lockbox.request.submitted.v1"
        assert by_digest[hashlib.sha256(foreign.raw).hexdigest()] == ("admin", foreign.type, owns_not)
        user, key, reason = by_digest[hashlib.sha256(smuggled.raw).hexdigest()]
        assert (user, key, "CC or BCC" in reason) == (smuggler, notifier, True)
        for body in (anonymous.raw, no_event):
            user, _, reason = by_digest[hashlib.sha256(body).hexdigest()]
            assert (user, "user_id is missing" in reason) == (None, True)
        kept = await service.pool.fetch("SELECT digest FROM quarantine")
        assert {row["digest"] for row in kept} == digests
        # Its own notes came back from the broker, and are in the log once.
        await until(lambda: _relayed(service.pool))
        assert len(await noted(service.pool)) == len(notes)


async def _counts(pool: Pool, *, contoso: int, quarantine: int) -> bool:
    found = await pool.fetchrow(
        """SELECT (SELECT count(*) FROM leaves WHERE tenant = 'contoso') AS contoso,
                  (SELECT count(*) FROM quarantine) AS quarantine"""
    )
    assert found is not None
    return bool(found["contoso"] >= contoso and found["quarantine"] >= quarantine)


async def _relayed(pool: Pool) -> bool:
    sent: bool = await pool.fetchval(
        "SELECT NOT EXISTS (SELECT FROM sequences s LEFT JOIN relay r USING (tenant) WHERE s.last > coalesce(r.confirmed, 0))"
    )
    return sent


UNSTORABLE: list[tuple[dict[str, Any], str]] = [
    ({"subject": "s" * 300}, "tenantid, subject or correlationid is too long"),
    ({"tenantid": "t" * 300}, "tenantid, subject or correlationid is too long"),
    ({"correlationid": 7}, "correlationid is not a text"),
    ({"correlationid": "a\u0000b"}, "correlationid is not a text"),
    ({"time": "0001-01-01T00:00:00+14:00"}, "it cannot be stored: OverflowError"),
    ({"data": {"text": "x" * 70_000}}, "it is longer than 60000 bytes"),
]


async def test_an_event_that_cannot_be_stored_holds_nobody_up(make_database: Databases) -> None:
    before, after = event_of(submitted(), sequence=1), event_of(submitted(), sequence=9)
    bad = []
    for number, (change, _) in enumerate(UNSTORABLE, start=2):
        event = event_of(submitted(), sequence=number)
        bad.append(delivery(event, body=orjson.dumps({**orjson.loads(event.raw), **change})))
    async with pool_of(await make_database("audit"), "audit") as pool:
        await Ingest(pool).apply([delivery(before), *bad, delivery(after)])
        assert await bodies(pool, "contoso") == [before.raw, after.raw]
        notes = await noted(pool)
        assert [note["reason"] for note in notes] == [reason for _, reason in UNSTORABLE]
        assert [note["digest"] for note in notes] == [hashlib.sha256(one.body).hexdigest() for one in bad]


async def test_other_bytes_under_an_id_that_the_log_has_are_set_aside_and_noted(make_database: Databases) -> None:
    first = event_of(submitted(detail="What happened."))
    other = orjson.loads(first.raw)
    other["data"]["reason"]["detail"] = "What is said to have happened."
    changed = delivery(first, body=orjson.dumps(other))
    async with pool_of(await make_database("audit"), "audit") as pool:
        for batch in ([delivery(first)], [changed, delivery(first)], [delivery(first), changed]):
            await Ingest(pool).apply(batch)
        assert await bodies(pool, "contoso") == [first.raw]
        notes = await noted(pool)
        assert [note["digest"] for note in notes] == [hashlib.sha256(changed.body).hexdigest()] * 2
        assert {note["reason"] for note in notes} == {"the log has other bytes under this source and id"}


async def test_what_an_attacker_wrote_cannot_make_the_note_too_long(make_database: Databases) -> None:
    event = event_of(submitted())
    body = orjson.dumps({**orjson.loads(event.raw), "type": "\u0000x" * 30_000})
    async with pool_of(await make_database("audit"), "audit") as pool:
        await Ingest(pool).apply([delivery(event, body=body)])
        (note,) = await noted(pool)
        assert len(note["reason"]) == 500
        assert await bodies(pool, "contoso") == []


async def test_the_note_and_the_quarantined_bytes_are_never_there_without_each_other(make_database: Databases) -> None:
    event = event_of(submitted())
    url = await make_database("audit")
    async with pool_of(url, "audit") as pool:
        blocker = await asyncpg.connect(url)
        async with blocker.transaction():
            await blocker.execute("SELECT pg_advisory_xact_lock(7310010)")
            batch = asyncio.create_task(Ingest(pool).apply([delivery(event, user_id="notifier")]))
            await asyncio.sleep(0.1)
            assert not batch.done()
            assert await pool.fetchval("SELECT count(*) FROM quarantine") == 0
        await batch
        await blocker.close()
        assert await pool.fetchval("SELECT count(*) FROM quarantine") == len(await noted(pool)) == 1


async def test_an_events_own_life_goes_on_after_a_forgery(make_database: Databases) -> None:
    life = story.Life()
    forged = delivery(life.approved(), user_id="request_api")
    async with pool_of(await make_database("audit"), "audit") as pool:
        await Ingest(pool).apply([forged])
        events = [life.submitted(), life.provider_denied()]
        await ingest(pool, events)
        assert await bodies(pool, "contoso") == [event.raw for event in events]
