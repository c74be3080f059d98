"""What the provider's operators do about a tenant: register it with its first admin, and say what it is entitled to.

Nothing else of a tenant is theirs; neither is ever put to a vote.
"""

from dataclasses import replace
from typing import Any, ClassVar

from services.approval.administering import Action, Done, Work
from services.approval.domain import people
from services.approval.domain.people import Member
from services.approval.domain.refusals import Forbidden, Refused
from services.approval.domain.tenants import Tenant, register
from services.approval.invitations import invite
from services.approval.store import members, tenants
from services.approval.words import DEFAULT
from shared.events.envelope import PROVIDER
from shared.events.tenants import EntitlementChanged


class _ByOperator(Action):
    def may(self, work: Work) -> None:
        if work.by.realm != PROVIDER or "operator" not in work.by.roles:
            raise Forbidden("Tenants and their entitlement are kept by the provider's operators.")


class RegisterTenant(_ByOperator):
    """A new customer, whose lockbox is off and covers all services of the catalogue; its first admin switches it on.

    It is done under the lock of the provider's realm. From then on the tenant's own people alone say who belongs to it.
    """

    kind: ClassVar[str] = "tenant_registered"

    id: str
    name: str
    entitled: bool
    admin_id: str
    admin_email: str
    admin_name: str
    language: str = DEFAULT

    async def perform(self, work: Work) -> Done:
        if await tenants.find(work.connection, self.id) is not None:
            raise Refused("tenant_exists", f"There is a tenant {self.id} already: choose another id.")
        by = work.by.person
        fact = register(self.id, self.name, entitled=self.entitled, services=list(work.parts.offered))
        tenant = Tenant(self.id, fact.name, fact.entitled, fact.settings, fact.settings_version)
        await tenants.add(work.connection, tenant)
        admin = Member(
            id=self.admin_id,
            realm=self.id,
            email=self.admin_email,
            name=self.admin_name,
            roles=frozenset({"global_admin"}),
        )
        await members.add(work.connection, admin, password_hash=None)
        work.say(fact.model_copy(update={"by": by}), *people.add(admin, by=by))
        await invite(work.connection, work.parts.settings, admin.id, "welcome", self.language, work.now)
        return Done(shown(tenant), 201)


class SetEntitlement(_ByOperator):
    """Whether a tenant may switch its lockbox on. Losing that switches nothing off."""

    kind: ClassVar[str] = "entitlement_changed"

    entitled: bool

    async def perform(self, work: Work) -> Done:
        tenant = work.tenant
        assert tenant is not None, "it is done under the tenant's lock"
        if tenant.entitled != self.entitled:
            tenant = replace(tenant, entitled=self.entitled)
            await tenants.put(work.connection, tenant)
            work.say(EntitlementChanged(tenant=tenant.tenant, entitled=self.entitled, by=work.by.person))
        return Done(shown(tenant))


def shown(tenant: Tenant) -> dict[str, Any]:
    """Show a tenant as the API does: nothing of its settings but whether the lockbox is on."""
    return {
        "id": tenant.tenant,
        "name": tenant.name,
        "entitled": tenant.entitled,
        "enabled": tenant.settings.enabled,
        "settings_version": tenant.version,
    }
