"""What approval says of tenants, members and requests: drafts for its outbox."""

from __future__ import annotations

from datetime import datetime

from shared.events import access, members, tenants
from shared.events.envelope import PROVIDER, Draft, new_id, service_actor
from shared.events.values import Data, Decider, Person, RequestFacts, Settings

MAX = Decider(id=new_id(), email="max@provider.example", name="Max Moreau", roles=["manager"], method="password")
DANA = Decider(
    id=new_id(), email="dpo@contoso.example", name="Dana Dupont", roles=["lockbox_approver"], method="password"
)


def by_approval(data: Data) -> Draft:
    """Draft an event about a request as approval publishes it."""
    assert isinstance(data, RequestFacts)
    return Draft(data, data.tenant, data.request_id, service_actor("approval"), correlation_id=data.request_id)


def revoked(request_id: str, tenant: str, grant_id: str) -> Draft:
    by = Person(id=DANA.id, email=DANA.email, name=DANA.name)
    return by_approval(
        access.AccessRevoked(request_id=request_id, tenant=tenant, grant_id=grant_id, by=by, reason="Enough.")
    )


def registered(tenant: str, settings: Settings) -> Draft:
    data = tenants.TenantRegistered(tenant=tenant, name=tenant, entitled=True, settings=settings, settings_version=1)
    return Draft(data, tenant, tenant, service_actor("approval"))


def _of_member(data: members.MemberFacts) -> Draft:
    return Draft(data, data.realm, data.member.id, service_actor("approval"))


def member_added(person: Person, realm: str = PROVIDER) -> Draft:
    return _of_member(
        members.MemberAdded(realm=realm, member=person, employer="Provider Ltd", job_title="Support", country="IE")
    )


def member_removed(person: Person) -> Draft:
    return _of_member(members.MemberRemoved(realm=PROVIDER, member=person))


def role_assigned(person: Person, role: str) -> Draft:
    return _of_member(members.RoleAssigned(realm=PROVIDER, member=person, role=role))


def role_removed(person: Person, role: str) -> Draft:
    return _of_member(members.RoleRemoved(realm=PROVIDER, member=person, role=role))


def session_revoked(person: Person, *, session_id: str | None, before: datetime) -> Draft:
    return _of_member(
        members.SessionRevoked(realm=PROVIDER, member=person, session_id=session_id, before=before, reason="signed out")
    )


def password_reset(person: Person) -> Draft:
    return _of_member(members.PasswordReset(realm=PROVIDER, member=person))
