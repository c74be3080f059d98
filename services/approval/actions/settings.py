"""Changing a tenant's settings."""

from typing import Any, ClassVar, Final

from services.approval.administering import Action, Described, Done, Work
from services.approval.domain import tenants as domain
from services.approval.domain.refusals import Forbidden
from services.approval.domain.tenants import Limits, Tenant
from services.approval.store import deciders, tenants
from shared.events.values import Settings

CHANGED_BY: Final = "Settings are changed by a global_admin or lockbox_approver of the tenant."


class ChangeSettings(Action):
    """The settings that shall be others (by name; what is left out stays), and the version that their author has read."""

    kind: ClassVar[str] = "settings"

    given: dict[str, Any]
    version: int

    def may(self, work: Work) -> None:
        if not work.by.decides_for(work.realm):
            raise Forbidden(CHANGED_BY)

    async def weakens(self, work: Work) -> bool:
        tenant = _tenant(work)
        return domain.weakens(tenant.settings, self._wanted(tenant))

    async def describe(self, work: Work) -> Described:
        tenant = _tenant(work)
        limits = await _limits(work)
        return Described(domain.changes_of(tenant, self._wanted(tenant), version=self.version, limits=limits))

    async def perform(self, work: Work) -> Done:
        tenant = _tenant(work)
        facts = domain.change_settings(
            tenant,
            self._wanted(tenant),
            version=self.version,
            by=work.decider,
            limits=await _limits(work),
            change_id=work.change_id,
        )
        for fact in facts:
            tenant = domain.evolve(tenant, fact)
        if facts:
            await tenants.put(work.connection, tenant)
            work.say(*facts)
        return Done(tenant.settings.model_dump() | {"version": tenant.version})

    def _wanted(self, tenant: Tenant) -> Settings:
        return Settings.model_validate(tenant.settings.model_dump() | self.given)


def _tenant(work: Work) -> Tenant:
    assert work.tenant is not None, "the provider's realm has no settings"
    return work.tenant


async def _limits(work: Work) -> Limits:
    return Limits(
        shortest_window=work.parts.settings.min_decision_window,
        services=work.parts.offered,
        deciders=await deciders.count(work.connection, work.realm),
    )
