"""What the tests of approval share: the service on a real PostgreSQL, its demo's people, and events as others send them."""

from __future__ import annotations

from asyncio import Future, ensure_future
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from joserfc.jwk import OKPKey
from pydantic import SecretStr

from services.approval import demo, own_decisions
from services.approval.app import AUDIENCE, build
from services.approval.domain.people import Member
from services.approval.handlers import HANDLERS
from services.approval.oidc.relying_party import RelyingParty
from services.approval.parts import Parts
from services.approval.store import members, sessions
from shared.database.pool import Pool, clock, open_pool, transaction
from shared.events.access import AccessTokenIssued
from shared.events.catalogue import CATALOGUE
from shared.events.envelope import Actor, Draft, Event, new_id, read, write
from shared.events.requests import DecisionWindowClosed, RequestSubmitted, RequestWithdrawn
from shared.events.values import Data, Engineer, Person, Reason, Resource
from shared.messaging.delivery import Delivery
from shared.messaging.inbox import Inbox
from shared.messaging.topology import EXCHANGE
from shared.security.keys import LocalJwks, load_key
from shared.security.passwords import hash_password
from shared.security.tokens import issue_session, session_verifier
from shared.settings import Settings
from shared.web.idempotency import BodyDigest
from shared.web.outgoing import outgoing_client

PASSWORD = "a-password-of-the-tests"
SECRET = "0123456789abcdef0123456789abcdef"
LIFETIME = timedelta(hours=1)


def write_key(folder: Path) -> Path:
    """Write a new signing key as the service reads it."""
    path = folder / "sessions.pem"
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


def settings_for(database_url: str, key_file: Path, amqp_url: str = "amqp://nobody@127.0.0.1:1/none") -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        amqp_url=SecretStr(amqp_url),
        internal_secret=SecretStr(SECRET),
        token_key_file=key_file,
        session_lifetime=LIFETIME,
    )


@dataclass
class Approval:
    """The service's routes and handlers on one database, without its tasks and broker."""

    pool: Pool
    settings: Settings
    key: OKPKey
    app: FastAPI
    http: httpx.AsyncClient
    inbox: Inbox
    tokens: dict[str, str] = field(default_factory=dict)

    async def member(self, email: str) -> Member:
        async with self.pool.acquire() as connection:
            found = await members.with_password(connection, realm_of(email), email)
        assert found is not None
        return found[0]

    async def token(self, email: str) -> str:
        """Give a session's token without the work of a password; one for each person."""
        if email not in self.tokens:
            self.tokens[email] = await self.new_token(email)
        return self.tokens[email]

    async def new_token(self, who: str | Member, *, lifetime: timedelta = LIFETIME, **claims: Any) -> str:
        member, session_id = who if isinstance(who, Member) else await self.member(who), new_id()
        async with transaction(self.pool) as connection:
            now = await clock(connection)
            await sessions.begin(
                connection, session_id, member.id, method="password", issued_at=now, expires_at=now + lifetime
            )
        facts: dict[str, Any] = {
            "subject": member.id,
            "realm": member.realm,
            "email": member.email,
            "session_id": session_id,
        }
        return issue_session(self.key, **(facts | {"now": now, "lifetime": lifetime} | claims))

    async def call(self, who: str | None, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Call as somebody (None: without a token)."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            sent["authorization"] = f"Bearer {await self.token(who)}"
        return await self.http.request(method, path, headers=sent, json=body)

    async def done(self, who: str, path: str, body: Any = None) -> dict[str, Any]:
        """Call, and give the answer of what must succeed."""
        response = await self.call(who, "POST", path, body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def hear(self, *events: Event) -> None:
        """Take events as the intake would bring them."""
        await self.inbox.apply([delivery(event) for event in events])

    async def submitted(self, **changes: Any) -> str:
        """Have the service hear of a new request of Eve's; give its id."""
        event = await self.submission(**changes)
        await self.hear(event)
        return event.subject

    async def submission(self, *, window: timedelta = timedelta(hours=12), **changes: Any) -> Event:
        async with self.pool.acquire() as connection:
            now = await clock(connection)
        eve = await self.member("eve@provider.example")
        facts: dict[str, Any] = {
            "request_id": new_id(),
            "tenant": "contoso",
            "service": "exchange-online",
            "ticket": "T-1",
            "reason": Reason(category="customer_support", detail="The mailbox does not open."),
            "resources": [Resource(id="exchange-online/mailboxes/alice", operations=["read", "write"])],
            "duration": timedelta(hours=2),
            "engineer": Engineer(id=eve.id, email=eve.email, name=eve.name),
            "submitted_at": now,
            "decide_by": now + window,
        }
        return told(RequestSubmitted(**(facts | changes)))

    async def passed_on(self, **changes: Any) -> str:
        """Have a request that the provider has approved."""
        request_id = await self.submitted(**changes)
        await self.done("max@provider.example", f"/v1/requests/{request_id}/provider-approve")
        return request_id

    async def granted(self, **changes: Any) -> dict[str, Any]:
        """Have a request that both have approved."""
        request_id = await self.passed_on(**changes)
        return await self.done("dpo@contoso.example", f"/v1/requests/{request_id}/approve")

    async def shown(self, request_id: str, who: str = "max@provider.example") -> dict[str, Any]:
        response = await self.call(who, "GET", f"/v1/requests/{request_id}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def settle(self) -> None:
        """Let the service decide what is its own to decide."""
        await own_decisions.decide_due(self.pool)

    async def published(self, subject: str) -> list[Event]:
        """Give the events of a subject that the service has written, in their order."""
        rows = await self.pool.fetch("SELECT body FROM events WHERE subject = $1 ORDER BY sequence", subject)
        return [read(row["body"]) for row in rows]

    async def everything(self) -> dict[str, Any]:
        """Give all that is stored, but for sessions: what a refused call must leave as it was."""
        tables = (
            "events",
            "requests",
            "tenants",
            "members",
            "member_roles",
            "own_decisions",
            "changes",
            "change_votes",
            "idempotency",
            "sequences",
        )
        return {
            table: sorted(repr(tuple(row)) for row in await self.pool.fetch(f"SELECT * FROM {table}"))
            for table in tables
        }


@cache
def _the_hash() -> Future[str]:
    return ensure_future(hash_password(PASSWORD))


async def hashed_once(password: str) -> str:
    """Stand in for `hash_password` where the tests' people are made: they share a password, and a hash is slow by design."""
    assert password == PASSWORD
    return await _the_hash()


@asynccontextmanager
async def approval_on(
    url: str, folder: Path, *, connections: int = 10, differing: Mapping[str, Any] | None = None
) -> AsyncIterator[Approval]:
    """Run the service's routes and handlers on a database, with the demo's people and tenants; the key is in the folder.

    `differing` are settings other than the tests' usual ones.
    """
    key_file = write_key(folder)
    key = load_key(key_file)
    settings = settings_for(url, key_file).model_copy(update=dict(differing or {}))
    pool = await open_pool(url, service="approval", size=connections)
    try:
        with patch.object(demo, "hash_password", hashed_once):
            await demo.make(pool, settings, PASSWORD)
        app = build(settings)
        outgoing = outgoing_client(settings.outbound_allow)
        app.state.parts = Parts(
            pool=pool,
            settings=settings,
            signing=key,
            verifier=session_verifier(LocalJwks([key]), AUDIENCE),
            digest=BodyDigest(settings.internal_secret),
            relying=RelyingParty(outgoing, settings.internal_secret),
        )
        transport = httpx.ASGITransport(app)
        async with outgoing, httpx.AsyncClient(transport=transport, base_url="http://approval") as http:
            yield Approval(pool, settings, key, app, http, Inbox(pool, "approval", HANDLERS))
    finally:
        await pool.close()


def realm_of(email: str) -> str:
    return email.partition("@")[2].removesuffix(".example")


def told(fact: Any, *, tenant: str | None = None, subject: str | None = None) -> Event:
    """Write an event of another service's about a request."""
    kind = next(kind for kind in CATALOGUE.values() if kind.data is type(fact))
    draft = Draft(
        fact,
        tenant=tenant or fact.tenant,
        subject=subject or fact.request_id,
        actor=Actor(kind.owner, "service"),
        revision=1,
        correlation_id=fact.request_id,
    )
    return write(draft, service=kind.owner, sequence=1, time=fact_time(fact))


def fact_time(fact: Data) -> datetime:
    """Give an instant for an event that another service would have timed."""
    return fact.submitted_at if isinstance(fact, RequestSubmitted) else datetime.now(UTC)


def delivery(event: Event) -> Delivery:
    return Delivery(event.raw, event.type, EXCHANGE, event.source.rpartition("/")[2], {})


def withdrawn(request: dict[str, Any]) -> Event:
    return told(RequestWithdrawn(request_id=request["id"], tenant=request["tenant"], by=_engineer(request)))


def window_closed(request: dict[str, Any]) -> Event:
    return told(
        DecisionWindowClosed(request_id=request["id"], tenant=request["tenant"], decide_by=request["decide_by"])
    )


def token_issued(request: dict[str, Any]) -> Event:
    grant = request["grant"]
    return told(
        AccessTokenIssued(
            request_id=request["id"],
            tenant=request["tenant"],
            grant_id=grant["id"],
            token_id=new_id(),
            engineer=_engineer(request),
            access_until=grant["access_until"],
        )
    )


def _engineer(request: dict[str, Any]) -> Person:
    return Person(**{name: request["engineer"][name] for name in ("id", "email", "name")})


def types(events: Sequence[Event]) -> list[str]:
    """Name events as the catalogue does, without the common parts."""
    return [event.type.removeprefix("lockbox.").removesuffix(".v1") for event in events]


def refused(response: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Check a refusal's whole form, and give its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]
    if field is not None:
        assert field in [error["field"] for error in body["errors"]], body
    return body
