"""Changing a tenant's settings."""

from typing import Any, ClassVar, Final

from services.approval.administering import Action, Described, Done, Work
from services.approval.domain import tenants as domain
from services.approval.domain.refusals import Forbidden
from services.approval.domain.tenants import Limits
from services.approval.store import tenants
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

    async def describe(self, work: Work) -> Described:
        raise NotImplementedError

    async def perform(self, work: Work) -> Done:
        tenant = work.tenant
        assert tenant is not None, "the provider's realm has no settings"
        limits = Limits(shortest_window=work.parts.settings.min_decision_window, services=work.parts.offered)
        wanted = Settings.model_validate(tenant.settings.model_dump() | self.given)
        facts = domain.change_settings(tenant, wanted, version=self.version, by=work.decider, limits=limits)
        for fact in facts:
            tenant = domain.evolve(tenant, fact)
        if facts:
            await tenants.put(work.connection, tenant, changes=0)
            work.say(*facts)
        return Done(tenant.settings.model_dump() | {"version": tenant.version})
