"""What the notifier's tests share: the service with its own lifespan, a tenant with its people, and what was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.notifier.app import build
from shared.database.pool import Pool
from shared.events.envelope import Event, read
from shared.events.values import Settings as TenantSettings
from shared.mail.tries import Backoff
from shared.service import Service
from shared.settings import Settings
from tests.servers import Broker
from tests.story import member, member_added, registered, role_assigned

SECRET = "the-internal-secret-of-the-tests-alone"
QUICK = Backoff(tries=60, first_seconds=0.05, longest_seconds=0.3)


@asynccontextmanager
async def notifying(
    database_url: str, broker: Broker, smtp_url: str, *, backoff: Backoff = QUICK
) -> AsyncIterator[Service]:
    """Run one instance, as its process does."""
    settings = Settings(
        database_url=database_url,
        amqp_url=broker.urls["notifier"],
        internal_secret=SECRET,
        smtp_url=smtp_url,
        approval_url="http://portal.example:8001",
    )
    app = build(settings, backoff=backoff)
    async with app.router.lifespan_context(app):
        service: Service = app.state.running
        yield service


@dataclass
class Contoso:
    """A tenant with two who may decide, one who may not, and an address that wants to know."""

    tenant: str = "contoso"
    settings: TenantSettings = field(
        default_factory=lambda: TenantSettings(enabled=True, notify=["soc@contoso.example"], links_in_mail=True)
    )

    def events(self) -> list[Event]:
        admin, dpo, helpdesk = (member(f"{name}@{self.tenant}.example") for name in ("admin", "dpo", "helpdesk"))
        return [
            registered(self.tenant, settings=self.settings),
            *(member_added(person, self.tenant) for person in (admin, dpo, helpdesk)),
            role_assigned(admin, "global_admin", self.tenant),
            role_assigned(dpo, "lockbox_approver", self.tenant),
            role_assigned(helpdesk, "user_admin", self.tenant),
        ]


async def told(pool: Pool) -> list[Event]:
    """Return what the notifier has said of its deliveries, in the order of its numbers."""
    return [read(row["body"]) for row in await pool.fetch("SELECT body FROM events ORDER BY tenant, sequence")]


async def outcomes(pool: Pool) -> dict[str, str]:
    """Return how each recipient's delivery stands; for tests with one mail for each."""
    return {row["recipient"]: row["state"] for row in await pool.fetch("SELECT recipient, state FROM deliveries")}


async def settled(pool: Pool, count: int) -> bool:
    """Say whether that many deliveries have come to their end."""
    number: int = await pool.fetchval("SELECT count(*) FROM deliveries WHERE state <> 'waiting'")
    return number >= count


async def heard(pool: Pool, count: int) -> bool:
    """Say whether that many events have taken effect, or wait for another."""
    number: int = await pool.fetchval("SELECT count(*) FROM inbox")
    return number >= count
