"""What the kernel's tests share: events of one kind, a publisher with anybody's credentials, waiting for an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika

from shared.database.outbox import append
from shared.database.pool import Connection, Pool, clock, open_pool, transaction
from shared.events.envelope import Actor, Draft, Event, new_id, write
from shared.events.requests import RequestSubmitted, RequestWithdrawn
from shared.events.values import Engineer, Person, Reason, Resource
from shared.messaging.inbox import Handler
from shared.messaging.subscriptions import CONSUMES
from shared.messaging.topology import EXCHANGE

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EVE = Engineer(id=new_id(), email="eve@provider.example", name="Eve Engel", employer="Provider Ltd", country="IE")


def submitted(
    tenant: str = "contoso", *, subject: str | None = None, detail: str = "The mailbox does not open."
) -> Draft:
    """Draft a RequestSubmitted."""
    subject = subject or new_id()
    data = RequestSubmitted(
        request_id=subject,
        tenant=tenant,
        service="exchange-online",
        ticket="T-1",
        reason=Reason(category="customer_support", detail=detail),
        resources=[Resource(id="exchange-online/mailboxes/alice", operations=["read"])],
        duration=timedelta(hours=2),
        engineer=EVE,
        submitted_at=NOW,
        decide_by=NOW + timedelta(hours=12),
    )
    return Draft(data, tenant, subject, Actor(EVE.id, "engineer"), revision=1, correlation_id=subject)


def withdrawn(subject: str, tenant: str = "contoso", *, revision: int = 2) -> Draft:
    """Draft a RequestWithdrawn."""
    by = Person(id=EVE.id, email=EVE.email, name=EVE.name)
    data = RequestWithdrawn(request_id=subject, tenant=tenant, by=by)
    return Draft(data, tenant, subject, Actor(EVE.id, "engineer"), revision=revision, correlation_id=subject)


def event_of(draft: Draft, *, service: str = "request_api", sequence: int = 1) -> Event:
    """Write an event without a database."""
    return write(draft, service=service, sequence=sequence, time=NOW)


async def commit(pool: Pool, drafts: Sequence[Draft], *, service: str = "request_api") -> list[Event]:
    """Append to a service's outbox, as the service itself does."""
    async with transaction(pool) as connection:
        return await append(connection, service, drafts, now=await clock(connection))


@asynccontextmanager
async def pool_of(url: str, service: str) -> AsyncIterator[Pool]:
    """Open a pool for the length of the block."""
    pool = await open_pool(url, service=service)
    try:
        yield pool
    finally:
        await pool.close()


async def publish(
    url: str,
    body: bytes,
    key: str,
    *,
    user_id: str | None,
    headers: dict[str, Any] | None = None,
    exchange: str = EXCHANGE,
) -> None:
    """Publish one message with somebody's credentials; raises what the broker answers."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        message = aio_pika.Message(body, user_id=user_id, headers=headers, delivery_mode=2)
        await (await channel.get_exchange(exchange, ensure=False)).publish(message, key, mandatory=True)


def handlers_that(
    handle: Callable[[Connection, Event], Awaitable[Any]], service: str = "approval"
) -> dict[str, Handler]:
    """Have one function handle everything that a service consumes."""
    return dict.fromkeys(CONSUMES[service], handle)


async def until(condition: Callable[[], Awaitable[bool] | bool], *, seconds: float = 20) -> None:
    """Wait for an outcome; fail when it does not come."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if isinstance(found, bool):
                if found:
                    return
            elif await found:
                return
            await asyncio.sleep(0.02)
