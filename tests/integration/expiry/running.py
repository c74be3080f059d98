"""What expiry's tests share: the service with its own lifespan, and what it has said."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.expiry.app import build
from shared.database.pool import Pool
from shared.events.envelope import Event, read
from shared.service import Service
from shared.settings import Settings
from tests.servers import Broker

SECRET = "the-internal-secret-of-the-tests-alone"


@asynccontextmanager
async def expiring(database_url: str, broker: Broker) -> AsyncIterator[Service]:
    """Run one instance, as its process does."""
    settings = Settings(database_url=database_url, amqp_url=broker.urls["expiry"], internal_secret=SECRET)
    app = build(settings)
    async with app.router.lifespan_context(app):
        service: Service = app.state.running
        yield service


async def said(pool: Pool, subject: str | None = None) -> list[Event]:
    """Return what expiry has said (about one request), in the order of its numbers."""
    rows = await pool.fetch(
        "SELECT body FROM events WHERE $1::text IS NULL OR subject = $1 ORDER BY time, tenant, sequence", subject
    )
    return [read(row["body"]) for row in rows]


async def timers(pool: Pool, subject: str) -> dict[str, bool]:
    """Return a request's timers, and whether each has fired."""
    rows = await pool.fetch("SELECT kind, fired_at IS NOT NULL AS fired FROM timers WHERE request_id = $1", subject)
    return {row["kind"]: row["fired"] for row in rows}


async def heard(pool: Pool, count: int) -> bool:
    """Say whether that many events have taken effect."""
    number: int = await pool.fetchval("SELECT count(*) FROM inbox")
    return number >= count
