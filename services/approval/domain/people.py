"""People: which roles each realm knows, who may see and do what, and the facts of adding somebody."""

from dataclasses import dataclass
from typing import Final, get_args

from shared.events.envelope import PROVIDER, ActorType
from shared.events.members import MemberAdded, ProviderRole, RoleAssigned, TenantRole
from shared.events.values import Decider, Person
from shared.lifecycle import RequestState

PROVIDER_ROLES: frozenset[str] = frozenset(get_args(ProviderRole))
TENANT_ROLES: frozenset[str] = frozenset(get_args(TenantRole))
# Who decides on a tenant's requests, and changes its settings.
DECIDING_ROLES = frozenset({"global_admin", "lockbox_approver"})
# Whoever holds one of these sets up anew, and only a global_admin resets him.
PRIVILEGED_ROLES = frozenset({"global_admin", "lockbox_approver", "user_admin"})
# Who submits requests.
SUBMITTING_ROLES = frozenset({"engineer", "manager"})
_PROVIDER_ACTORS: Final[tuple[ActorType, ...]] = ("manager", "operator", "engineer")


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of a realm, as he is known now. `realm` is `provider` or a tenant.

    `roles` are those that count now. `stale_roles` he had by a group of his issuer's, which has not said so for five
    minutes: nothing is decided by them until it says so again.
    """

    id: str
    realm: str
    email: str
    name: str
    roles: frozenset[str]
    employer: str | None = None
    job_title: str | None = None
    country: str | None = None
    stale_roles: frozenset[str] = frozenset()

    @property
    def known_roles(self) -> frozenset[str]:
        """The roles that count, and those that the issuer need only say again: who holds them is protected as their holder."""
        return self.roles | self.stale_roles

    @property
    def person(self) -> Person:
        return Person(id=self.id, email=self.email, name=self.name)

    def decider(self, method: str) -> Decider:
        """Name him as the human behind a decision; `method` is how he signed in."""
        return Decider(id=self.id, email=self.email, name=self.name, roles=sorted(self.roles), method=method)

    @property
    def acts_as(self) -> ActorType:
        """What kind of actor his events name; of several roles in the provider's realm the one that decides most."""
        if self.realm == PROVIDER:
            for kind in _PROVIDER_ACTORS:
                if kind in self.roles:
                    return kind
        return "member"

    @property
    def is_privileged(self) -> bool:
        """Say whether he has a role in a tenant that lets him decide, or change who may."""
        return self.realm != PROVIDER and not self.known_roles.isdisjoint(PRIVILEGED_ROLES)

    @property
    def is_manager(self) -> bool:
        return self.realm == PROVIDER and "manager" in self.roles

    def decides_for(self, tenant: str) -> bool:
        """Say whether he may decide on the tenant's requests and change its settings."""
        return self.realm == tenant != PROVIDER and not self.roles.isdisjoint(DECIDING_ROLES)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which requests somebody sees: all, or a tenant's once the provider approved them, or an engineer's own."""

    tenant: str | None = None
    engineer: str | None = None

    def shows(self, state: RequestState) -> bool:
        if state.submitted is None:
            return False
        if self.tenant is not None:
            return state.submitted.tenant == self.tenant and state.provider_approved_at is not None
        return self.engineer is None or state.submitted.engineer.id == self.engineer


def scope_of(member: Member) -> Scope | None:
    """Return what the member sees; None for nothing at all."""
    if member.realm != PROVIDER:
        return Scope(tenant=member.realm) if member.known_roles else None
    if not member.roles.isdisjoint({"manager", "auditor"}):
        return Scope()
    return Scope(engineer=member.id) if "engineer" in member.roles else None


def add(member: Member, *, by: Person | None) -> list[MemberAdded | RoleAssigned]:
    """Add somebody with his roles. Raises ValueError for a role that his realm does not know."""
    known = PROVIDER_ROLES if member.realm == PROVIDER else TENANT_ROLES
    if unknown := member.roles - known:
        raise ValueError(f"{member.realm} has no role {', '.join(sorted(unknown))}")
    added = MemberAdded(
        realm=member.realm,
        member=member.person,
        by=by,
        employer=member.employer,
        job_title=member.job_title,
        country=member.country,
    )
    return [added, *(assign(member, role, by=by) for role in sorted(member.roles))]


def assign(member: Member, role: str, *, by: Person | None) -> RoleAssigned:
    """Give somebody a role."""
    return RoleAssigned(realm=member.realm, member=member.person, role=role, by=by)
