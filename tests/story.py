"""The events of a request's life and of its people, as their owners publish them, and a way to publish them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika

from shared.events import access, members, requests, tenants
from shared.events.catalogue import KIND_OF
from shared.events.envelope import CONTENT_TYPE, Actor, Draft, Event, new_id, service_actor, write
from shared.events.values import Data, Decider, Engineer, Person, Reason, Resource, Settings
from shared.messaging.topology import EXCHANGE
from tests.servers import Broker

EVE = Engineer(
    id=new_id(),
    email="eve@provider.example",
    name="Eve Engel",
    employer="Provider Ltd",
    job_title="Support engineer",
    country="IE",
)
MAX = Decider(id=new_id(), email="max@provider.example", name="Max Moreau", roles=["manager"], method="password")
DANA = Decider(
    id=new_id(), email="dpo@contoso.example", name="Dana Dupont", roles=["lockbox_approver"], method="password"
)
DIGEST = "0" * 64

_numbers = itertools.count(1)


def told(data: Data, *, subject: str, tenant: str, time: datetime | None = None, actor: Actor | None = None) -> Event:
    """Write an event as its owner does; the numbers rise in the order of the calls."""
    service = KIND_OF[type(data)].owner
    draft = Draft(data, tenant, subject, actor or service_actor(service), correlation_id=subject)
    return write(draft, service=service, sequence=next(_numbers), time=time or datetime.now(UTC))


@dataclass(frozen=True)
class Life:
    """One request. Each method writes an event of its life anew (a new id each time)."""

    tenant: str = "contoso"
    window: timedelta = timedelta(hours=12)
    duration: timedelta = timedelta(hours=2)
    detail: str = "The mailbox does not open."
    ticket: str = "T-1"
    engineer: Engineer = EVE
    id: str = field(default_factory=new_id)
    grant_id: str = field(default_factory=new_id)
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def decide_by(self) -> datetime:
        return self.begun + self.window

    @property
    def resources(self) -> list[Resource]:
        return [Resource(id="exchange-online/mailboxes/alice", operations=["read", "write"])]

    def _tell(self, data: Data) -> Event:
        return told(data, subject=self.id, tenant=self.tenant)

    def _decision(self, approver: Decider | None, comment: str | None) -> dict[str, Any]:
        return {
            "request_id": self.id,
            "tenant": self.tenant,
            "approver": approver,
            "comment": comment,
            "resources": self.resources,
            "duration": self.duration,
            "settings_version": 1,
            "request_digest": DIGEST,
        }

    def submitted(self) -> Event:
        return self._tell(
            requests.RequestSubmitted(
                request_id=self.id,
                tenant=self.tenant,
                service="exchange-online",
                ticket=self.ticket,
                reason=Reason(category="customer_support", detail=self.detail),
                resources=self.resources,
                duration=self.duration,
                engineer=self.engineer,
                submitted_at=self.begun,
                decide_by=self.decide_by,
            )
        )

    def provider_approved(self, *, approvals_required: int = 1, comment: str | None = "Looks right.") -> Event:
        decision = self._decision(MAX, comment)
        return self._tell(requests.ProviderApproved(**decision, approvals_required=approvals_required))

    def provider_denied(self) -> Event:
        return self._tell(requests.ProviderDenied(**self._decision(MAX, "Ask the customer first.")))

    def approved(self, *, access_from: datetime | None = None, lockbox_on: bool = True) -> Event:
        begin = access_from or datetime.now(UTC)
        decision = {
            **self._decision(DANA if lockbox_on else MAX, "Go ahead."),
            "access_from": begin,
            "access_until": begin + self.duration,
        }
        return self._tell(
            requests.RequestApproved(
                **decision,
                grant_id=self.grant_id,
                basis="customer_decision" if lockbox_on else "lockbox_disabled",
                engineer=self.engineer,
                service="exchange-online",
            )
        )

    def denied(self, *, comment: str | None = "Not needed.") -> Event:
        return self._tell(requests.RequestDenied(**self._decision(DANA, comment)))

    def denied_by_service(self, code: str) -> Event:
        return self._tell(requests.RequestDenied(**self._decision(None, None), code=code))

    def expired(self, *, stage: Any = "customer") -> Event:
        return self._tell(
            requests.RequestExpired(request_id=self.id, tenant=self.tenant, decide_by=self.decide_by, stage=stage)
        )

    def withdrawn(self) -> Event:
        by = Person(id=self.engineer.id, email=self.engineer.email, name=self.engineer.name)
        return self._tell(requests.RequestWithdrawn(request_id=self.id, tenant=self.tenant, by=by))

    def released(self) -> Event:
        by = Person(id=self.engineer.id, email=self.engineer.email, name=self.engineer.name)
        return self._tell(access.AccessReleased(request_id=self.id, tenant=self.tenant, grant_id=self.grant_id, by=by))

    def revoked(self) -> Event:
        by = Person(id=DANA.id, email=DANA.email, name=DANA.name)
        return self._tell(
            access.AccessRevoked(
                request_id=self.id, tenant=self.tenant, grant_id=self.grant_id, by=by, reason="Enough."
            )
        )


def registered(tenant: str = "contoso", *, settings: Settings | None = None, version: int = 1) -> Event:
    data = tenants.TenantRegistered(
        tenant=tenant,
        name=tenant.capitalize(),
        entitled=True,
        settings=settings or Settings(enabled=True),
        settings_version=version,
    )
    return told(data, subject=tenant, tenant=tenant)


def settings_changed(settings: Settings, *, version: int, tenant: str = "contoso") -> Event:
    data = tenants.TenantSettingsChanged(
        tenant=tenant, by=DANA, settings_version=version, settings=settings, changes={}
    )
    return told(data, subject=tenant, tenant=tenant)


def switched(*, on: bool, version: int, tenant: str = "contoso") -> Event:
    kind = tenants.LockboxEnabled if on else tenants.LockboxDisabled
    return told(kind(tenant=tenant, by=DANA, settings_version=version), subject=tenant, tenant=tenant)


def member(email: str) -> Person:
    return Person(id=new_id(), email=email, name=email.partition("@")[0].capitalize())


def member_added(person: Person, realm: str = "contoso") -> Event:
    return told(members.MemberAdded(realm=realm, member=person), subject=person.id, tenant=realm)


def member_removed(person: Person, realm: str = "contoso") -> Event:
    return told(members.MemberRemoved(realm=realm, member=person), subject=person.id, tenant=realm)


def role_assigned(person: Person, role: str, realm: str = "contoso", through: str | None = None) -> Event:
    data = members.RoleAssigned(realm=realm, member=person, role=role, through=through)
    return told(data, subject=person.id, tenant=realm)


def role_removed(person: Person, role: str, realm: str = "contoso", through: str | None = None) -> Event:
    data = members.RoleRemoved(realm=realm, member=person, role=role, through=through)
    return told(data, subject=person.id, tenant=realm)


class Voices:
    """Publishes events with the credentials of the service that owns each."""

    def __init__(self, exchanges: dict[str, aio_pika.abc.AbstractExchange]) -> None:
        self._exchanges = exchanges

    async def say(self, *events: Event) -> None:
        """Publish, one after the other, each confirmed."""
        for event in events:
            owner = event.source.rpartition("/")[2]
            message = aio_pika.Message(event.raw, user_id=owner, content_type=CONTENT_TYPE, delivery_mode=2)
            await self._exchanges[owner].publish(message, event.type, mandatory=True)


@asynccontextmanager
async def speaking(broker: Broker) -> AsyncIterator[Voices]:
    """Connect as request_api and as approval."""
    async with AsyncExitStack() as stack:
        exchanges = {}
        for service in ("request_api", "approval"):
            connection = await stack.enter_async_context(await aio_pika.connect(broker.urls[service]))
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchanges[service] = await channel.get_exchange(EXCHANGE, ensure=False)
        yield Voices(exchanges)
