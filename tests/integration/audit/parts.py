"""What audit's tests share: deliveries as the broker brings them, readers with tokens, a served app, and what the log holds."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.app import PROJECTIONS, build, make_inbox
from services.audit.growth import Growth
from services.audit.ingest import Ingest
from services.audit.projections.projector import Projector
from shared.database.pool import Pool
from shared.events.actions import ActionRecorded, ActionRefused, RefusalsSummarized
from shared.events.envelope import Event, new_id
from shared.events.members import ClientCreated, ClientRevoked, SessionRevoked
from shared.events.values import Person
from shared.messaging.delivery import Delivery
from shared.messaging.topology import EXCHANGE
from shared.security.keys import LocalJwks, signing_key
from shared.security.tokens import issue_session
from shared.settings import Settings
from shared.web.serve import KEEP_ALIVE_SECONDS
from tests import story
from tests.kernel import until
from tests.servers import Broker

ORIGIN = "lockbox.example/log"
KEY = signing_key(Ed25519PrivateKey.generate())
SECRET = secrets.token_hex(32)
INTERNAL = {"Authorization": f"Bearer {SECRET}"}


def delivery(event: Event, **changes: Any) -> Delivery:
    """Give an event as the broker delivers it from its owner."""
    facts: dict[str, Any] = {
        "body": event.raw,
        "routing_key": event.type,
        "exchange": EXCHANGE,
        "user_id": event.source.rpartition("/")[2],
        "headers": {},
    }
    return Delivery(**facts | changes)


async def ingest(pool: Pool, events: Iterable[Event]) -> None:
    """Append events as a batch from the queue."""
    await Ingest(pool).apply([delivery(event) for event in events])


def projectors(pool: Pool) -> list[Projector]:
    inbox, growth = make_inbox(pool), Growth(pool)
    return [Projector(pool, projection, inbox, growth) for projection in PROJECTIONS]


async def project(pool: Pool) -> None:
    """Bring every projection up to the end of the log."""
    for projector in projectors(pool):
        while await projector.advance():
            pass


async def picture(pool: Pool) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every projection, sorted."""
    tables = [table for projection in PROJECTIONS for table in projection.tables]
    return {table: sorted(tuple(row) for row in await pool.fetch(f"SELECT * FROM {table}")) for table in tables}


async def bodies(pool: Pool, tenant: str) -> list[bytes]:
    """Return a tenant's event bytes in leaf order; fails where an index is missing."""
    rows = await pool.fetch(
        "SELECT leaf_index, body FROM leaves JOIN payloads USING (position) WHERE tenant = $1 ORDER BY leaf_index",
        tenant,
    )
    assert [row["leaf_index"] for row in rows] == list(range(len(rows)))
    return [row["body"] for row in rows]


def recorded(life: story.Life, resource: str = "exchange-online/mailboxes/alice", operation: str = "read") -> Event:
    data = ActionRecorded(
        action_id=new_id(),
        grant_id=life.grant_id,
        request_id=life.id,
        tenant=life.tenant,
        resource=resource,
        operation=operation,
        gate="actions-api",
    )
    return story.told(data, subject=life.id, tenant=life.tenant)


def refused(life: story.Life) -> Event:
    data = ActionRefused(
        action_id=new_id(),
        grant_id=life.grant_id,
        request_id=life.id,
        tenant=life.tenant,
        resource="exchange-online/mailboxes/bob",
        operation="read",
        gate="actions-api",
        code="out_of_scope",
    )
    return story.told(data, subject=life.id, tenant=life.tenant)


def summarized(life: story.Life, count: int) -> Event:
    now = datetime.now(UTC)
    data = RefusalsSummarized(grant_id=life.grant_id, count=count, codes={"out_of_scope": count}, first=now, last=now)
    return story.told(data, subject=life.id, tenant=life.tenant)


def whole_life(life: story.Life) -> list[Event]:
    """A request from its submission to its release, with actions."""
    return [
        life.submitted(),
        life.provider_approved(),
        life.approved(),
        recorded(life),
        recorded(life, "exchange-online/mailboxes/alice/inbox"),
        refused(life),
        life.released(),
    ]


@dataclass(frozen=True)
class Somebody:
    """A person with roles in a realm."""

    person: Person
    realm: str
    roles: tuple[str, ...]

    def events(self) -> list[Event]:
        return [
            story.member_added(self.person, self.realm),
            *(story.role_assigned(self.person, role, self.realm) for role in self.roles),
        ]

    def token(self, **changes: Any) -> str:
        facts: dict[str, Any] = {
            "subject": self.person.id,
            "realm": self.realm,
            "email": self.person.email,
            "session_id": new_id(),
            "now": datetime.now(UTC),
            "lifetime": timedelta(hours=1),
        }
        return issue_session(changes.pop("key", KEY), **facts | changes)

    def headers(self, **changes: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**changes)}"}

    def sessions_revoked(self, **which: Any) -> Event:
        facts = {"before": datetime.now(UTC), "reason": "test"} | which
        data = SessionRevoked(realm=self.realm, member=self.person, **facts)
        return story.told(data, subject=self.person.id, tenant=self.realm)


def client_created(client_id: str, realm: str, *scopes: str) -> Event:
    data = ClientCreated(realm=realm, client_id=client_id, name="SIEM", scopes=list(scopes))
    return story.told(data, subject=client_id, tenant=realm)


def client_revoked(client_id: str, realm: str) -> Event:
    data = ClientRevoked(realm=realm, client_id=client_id, name="SIEM")
    return story.told(data, subject=client_id, tenant=realm)


def somebody(email: str, realm: str, *roles: str) -> Somebody:
    return Somebody(story.member(email), realm, roles)


def settings_of(database_url: str, broker: Broker, **changes: Any) -> Settings:
    facts: dict[str, Any] = {
        "database_url": database_url,
        "amqp_url": broker.urls["audit"],
        "internal_secret": SECRET,
        "log_origin": ORIGIN,
    }
    return Settings(**facts | changes)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the whole app on a free port, with sessions signed by KEY."""
    app = build(settings, keys=LocalJwks([KEY]))
    config = uvicorn.Config(
        app,
        port=0,
        ws="none",
        lifespan="on",
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
            raise RuntimeError("the app did not start")
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
        client.app = app  # type: ignore[attr-defined]  # So that a test reaches the pool that the app uses.
        yield client
    server.should_exit = True
    await task


async def caught_up(client: httpx.AsyncClient) -> None:
    """Wait until every projection has read the whole log."""
    pool: Pool = client.app.state.audit.pool  # type: ignore[attr-defined]  # Put there by `serving`.

    async def read_whole() -> bool:
        behind = "SELECT min(position) < (SELECT position FROM log_end) FROM projections"
        return not await pool.fetchval(behind)

    await until(read_whole)


async def append(client: httpx.AsyncClient, *events: Event) -> None:
    """Append events to a served log, and wait until they can be seen everywhere."""
    await ingest(client.app.state.audit.pool, events)  # type: ignore[attr-defined]  # Put there by `serving`.
    await caught_up(client)


async def count(pool: Pool, kind: str, tenant: str | None = None) -> int:
    """Count the log's entries of a type."""
    found: int = await pool.fetchval(
        "SELECT count(*) FROM leaves WHERE type = $1 AND ($2::text IS NULL OR tenant = $2)", kind, tenant
    )
    return found
