"""request_api as it runs, over real HTTP, RabbitMQ and PostgreSQL, beside the real audit; tests play approval and expiry.

What these two say goes through an outbox and a relay of their own, so the control messages that the gate lives on are real.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from joserfc.jwk import OKPKey

from deploy.local.state import free_port
from services.audit.app import build as build_audit
from services.request_api.app import build
from services.request_api.core import Core
from shared.database.pool import Pool, open_pool
from shared.events import requests
from shared.events.envelope import PROVIDER, Draft, Event, new_id, read
from shared.events.values import Person, Resource, Settings
from shared.security.keys import public_jwks, signing_key
from shared.security.tokens import issue_session
from shared.settings import CATALOGUE
from shared.settings import Settings as ServiceSettings
from tests.integration.request_api.playing import Publisher, publishing, serving
from tests.integration.request_api.said import (
    DANA,
    MAX,
    by_approval,
    member_added,
    registered,
    revoked,
    role_assigned,
)
from tests.kernel import until
from tests.servers import Broker, Databases

SECRET = "the-services-own-credential-in-tests"
MAILBOX = "exchange-online/mailboxes/alice"
_numbers = itertools.count(1)


@dataclass
class World:
    """request_api under test (`http`, `database`), and the others around it."""

    app: FastAPI
    http: httpx.AsyncClient
    audit: httpx.AsyncClient
    database: Pool
    approval: Publisher
    expiry: Publisher
    broker: Broker
    settings: ServiceSettings
    sessions_key: OKPKey

    @property
    def core(self) -> Core:
        """What its routes stand on."""
        core: Core = self.app.state.core
        return core

    def use(self, **parts: Any) -> None:
        """Replace parts of what its routes stand on; the test puts the old ones back."""
        self.app.state.core = replace(self.core, **parts)

    async def hear(self, *drafts: Draft, by: Publisher | None = None) -> list[Event]:
        """Publish events and wait until request_api has dealt with them."""
        events = await (by or self.approval).commit(*drafts)
        await self.heard(events)
        return events

    async def heard(self, events: Sequence[Event]) -> None:
        ids = [event.id for event in events]

        async def all_there() -> bool:
            found = await self.database.fetchval("SELECT count(*) FROM inbox WHERE event_id = ANY($1::uuid[])", ids)
            return bool(found == len(ids))

        await until(all_there)

    async def tenant(self, *, max_duration: timedelta = timedelta(hours=4), window: timedelta | None = None) -> str:
        """Register a tenant."""
        name = f"tenant-{next(_numbers)}"
        settings = Settings(
            enabled=True,
            max_duration=max_duration,
            decision_window=window or timedelta(hours=12),
            services=[service.id for service in CATALOGUE],
        )
        await self.hear(registered(name, settings))
        return name

    async def person(self, *roles: str) -> Person:
        """Add one of the provider's people."""
        number = next(_numbers)
        person = Person(id=new_id(), email=f"person{number}@provider.example", name=f"Person {number}")
        await self.hear(member_added(person), *(role_assigned(person, role) for role in roles))
        return person

    def session(self, person: Person, *, realm: str = PROVIDER, **changes: Any) -> dict[str, str]:
        """Sign somebody in; give the header."""
        claims: dict[str, Any] = {
            "subject": person.id,
            "realm": realm,
            "email": person.email,
            "session_id": new_id(),
            "now": datetime.now(UTC),
            "lifetime": timedelta(hours=1),
        }
        return bearer(issue_session(self.sessions_key, **{**claims, **changes}))

    async def submit(self, person: Person, tenant: str, **changes: Any) -> dict[str, Any]:
        """Submit a request that is accepted."""
        answer = await self.http.post("/v1/requests", json=asked(tenant, **changes), headers=self.session(person))
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def submission(self, request_id: str) -> Event:
        """Read the RequestSubmitted of a request."""
        body = await self.database.fetchval(
            "SELECT body FROM events WHERE subject = $1 AND type = 'lockbox.request.submitted.v1'", request_id
        )
        return read(body)

    async def decision(self, request_id: str) -> dict[str, Any]:
        """Give what every decision on a request says."""
        event = await self.submission(request_id)
        submitted: requests.RequestSubmitted = event.data
        return {
            "request_id": request_id,
            "tenant": submitted.tenant,
            "approver": DANA,
            "comment": None,
            "resources": submitted.resources,
            "duration": submitted.duration,
            "settings_version": 1,
            "request_digest": hashlib.sha256(event.raw).hexdigest(),
        }

    async def approval_of(self, request_id: str, **changes: Any) -> Draft:
        """Draft the customer's approval of a request."""
        submitted: requests.RequestSubmitted = (await self.submission(request_id)).data
        begin = changes.pop("access_from", datetime.now(UTC))
        facts = {
            **await self.decision(request_id),
            "grant_id": new_id(),
            "basis": "customer_decision",
            "engineer": submitted.engineer,
            "service": submitted.service,
            "access_from": begin,
            "access_until": begin + submitted.duration,
            **changes,
        }
        return by_approval(requests.RequestApproved(**facts))

    async def provider_approval_of(self, request_id: str) -> Draft:
        facts = {**await self.decision(request_id), "approver": MAX, "approvals_required": 1}
        return by_approval(requests.ProviderApproved(**facts))

    async def approve(self, request_id: str, **changes: Any) -> None:
        """Have both stages approve a request; `changes` are the customer's."""
        await self.hear(await self.provider_approval_of(request_id), await self.approval_of(request_id, **changes))

    async def approved(
        self, person: Person, tenant: str, *, narrowed: Sequence[Resource] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Have a request submitted and approved; give it as it is then."""
        made = await self.submit(person, tenant, **changes)
        only = {} if narrowed is None else {"resources": list(narrowed)}
        await self.approve(made["id"], **only)
        answer = await self.http.get(f"/v1/requests/{made['id']}", headers=self.session(person))
        body: dict[str, Any] = answer.json()
        return body

    async def token(self, person: Person, request_id: str) -> dict[str, str]:
        """Fetch a grant token; give the header."""
        answer = await self.http.post(f"/v1/requests/{request_id}/token", headers=self.session(person))
        assert answer.status_code == 201, answer.text
        return bearer(answer.json()["token"])

    async def granted(self, **changes: Any) -> Granted:
        """Give an engineer under a grant for read and write on a mailbox, with its token."""
        tenant = await self.tenant()
        engineer = await self.person("engineer")
        made = await self.approved(engineer, tenant, **changes)
        return Granted(engineer, tenant, made, await self.token(engineer, made["id"]))

    async def fresh(self) -> None:
        """Wait until the gate's picture is fresh."""

        async def is_fresh() -> bool:
            return bool(
                await self.database.fetchval(
                    "SELECT complete_until > clock_timestamp() - interval '2 s' FROM freshness WHERE service = 'approval'"
                )
            )

        await until(is_fresh)

    async def act(self, headers: dict[str, str], resource: str = MAILBOX, operation: str = "read") -> httpx.Response:
        return await self.http.post("/v1/actions", json={"resource": resource, "operation": operation}, headers=headers)

    async def events(self, subject: str, kind: str = "") -> list[Event]:
        """Read what request_api published about a request, in order; `kind` filters by the type's middle."""
        rows = await self.database.fetch(
            "SELECT body FROM events WHERE subject = $1 AND type LIKE $2 ORDER BY tenant, sequence",
            subject,
            f"lockbox.{kind}%",
        )
        return [read(row["body"]) for row in rows]

    async def stored(self) -> tuple[int, ...]:
        """Count everything that a call may have stored."""
        row = await self.database.fetchrow(
            """SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM requests) AS requests,
                      (SELECT count(*) FROM actions) AS actions, (SELECT count(*) FROM refusals) AS refusals,
                      (SELECT count(*) FROM idempotency) AS keys,
                      (SELECT coalesce(sum(revision), 0) FROM requests) AS revisions"""
        )
        assert row is not None
        return tuple(row)


@dataclass(frozen=True)
class Granted:
    """Somebody under a grant: `headers` carry the grant token."""

    engineer: Person
    tenant: str
    request: dict[str, Any]
    headers: dict[str, str]

    @property
    def id(self) -> str:
        return str(self.request["id"])

    @property
    def revocation(self) -> Draft:
        """Draft the end of the grant by one of the customer's people."""
        return revoked(self.id, self.tenant, self.grant_id)

    @property
    def grant_id(self) -> str:
        return str(self.request["grant"]["id"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def asked(tenant: str, **changes: Any) -> dict[str, Any]:
    """Give the body of a sound submission, changed."""
    return {
        "tenant": tenant,
        "service": "exchange-online",
        "ticket": "T-1",
        "reason": {"category": "customer_support", "detail": "The mailbox does not open."},
        "resources": [{"id": MAILBOX, "operations": ["read", "write"]}],
        "duration": "PT2H",
        **changes,
    }


def _key_file(folder: Path, name: str) -> Path:
    key = Ed25519PrivateKey.generate()
    path = folder / f"{name}.pem"
    path.touch(0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def _jwks(key: OKPKey) -> FastAPI:
    app = FastAPI()

    @app.get("/.well-known/jwks.json")
    async def jwks() -> dict[str, Any]:
        return public_jwks([key])

    return app


@asynccontextmanager
async def world(databases: Databases, broker: Broker, folder: Path, **changes: Any) -> AsyncIterator[World]:
    """Start it all; `changes` are settings of request_api."""
    async with AsyncExitStack() as stack:
        sessions_key = signing_key(Ed25519PrivateKey.generate())
        approval_url = await stack.enter_async_context(serving(_jwks(sessions_key), free_port()))
        audit_port, port = free_port(), free_port()
        common: dict[str, Any] = {
            "internal_secret": SECRET,
            "approval_url": approval_url,
            "audit_url": f"http://127.0.0.1:{audit_port}",
            "log_origin": "lockbox.test",
        }
        audit_settings = ServiceSettings(**common, database_url=await databases("audit"), amqp_url=broker.urls["audit"])
        url = await databases("request_api")
        settings = ServiceSettings(
            **common,
            **{
                "database_url": url,
                "amqp_url": broker.urls["request_api"],
                "token_key_file": _key_file(folder, "grants"),
                **changes,
            },
        )
        approval, expiry = [
            await stack.enter_async_context(publishing(service, await databases(service), broker.urls[service]))
            for service in ("approval", "expiry")
        ]
        database = await open_pool(url, service="a test's look")
        stack.push_async_callback(database.close)
        audit_url = await stack.enter_async_context(serving(build_audit(audit_settings), audit_port))
        app = build(settings)
        own_url = await stack.enter_async_context(serving(app, port))
        audit = await stack.enter_async_context(httpx.AsyncClient(base_url=audit_url, trust_env=False))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=own_url, trust_env=False, timeout=20))
        found = World(app, http, audit, database, approval, expiry, broker, settings, sessions_key)
        await found.fresh()
        yield found
