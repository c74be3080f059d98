"""Whose word a tenant takes on who its people are and what they may do."""

from base64 import b64decode
from typing import ClassVar, Final

from services.approval.administering import Action, Described, Done, Work
from services.approval.domain import membership
from services.approval.domain.refusals import Forbidden, Refused
from services.approval.store import deciders, issuers
from services.approval.store.issuers import Issuer
from shared.events.members import RoleRemoved, SessionRevoked
from shared.events.tenants import IssuerAdded, IssuerRemoved
from shared.settings import portal_of
from shared.web.problems import not_found

CHANGED_BY: Final = "Issuers are added and removed by a global_admin of the tenant."
MOST_ISSUERS: Final = 20
CALLBACK: Final = "/oidc/callback"


def _may(work: Work) -> None:
    if "global_admin" not in work.by.roles:
        raise Forbidden(CHANGED_BY)


class AddIssuer(Action):
    """A new issuer. `id` is chosen when it is asked for, since `sealed_secret` (base64) opens for that id alone."""

    kind: ClassVar[str] = "issuer_added"

    id: str
    issuer: str
    name: str
    client_id: str
    sealed_secret: str | None
    algorithm: str
    group_claim: str
    mapping: dict[str, str]

    def may(self, work: Work) -> None:
        _may(work)

    async def weakens(self, work: Work) -> bool:  # noqa: ARG002 - Whatever it says, it is somebody else's word.
        return True

    async def describe(self, work: Work) -> Described:
        await self._check(work)
        return Described(issuer=self.issuer, roles=sorted(set(self.mapping.values())))

    async def perform(self, work: Work) -> Done:
        await self._check(work)
        added = Issuer(
            id=self.id,
            tenant=work.realm,
            issuer=self.issuer,
            name=self.name,
            client_id=self.client_id,
            sealed_secret=None if self.sealed_secret is None else b64decode(self.sealed_secret),
            algorithm=self.algorithm,
            group_claim=self.group_claim,
            mapping=self.mapping,
        )
        await issuers.add(work.connection, added, work.now)
        work.say(
            IssuerAdded(
                tenant=work.realm,
                issuer_id=self.id,
                issuer=self.issuer,
                audience=self.client_id,
                algorithm=self.algorithm,
                mapping=self.mapping,
                by=work.by.person,
                change_id=work.change_id,
            )
        )
        return Done(added.view(portal_of(work.parts.settings) + CALLBACK), 201)

    async def _check(self, work: Work) -> None:
        there = await issuers.of_tenant(work.connection, work.realm)
        if any(one.issuer == self.issuer for one in there):
            raise Refused("issuer_exists", "This issuer is there already: remove it first to change how it is used.")
        if len(there) >= MOST_ISSUERS:
            raise Refused("too_many_issuers", f"A tenant has at most {MOST_ISSUERS} issuers: remove one first.")


class RemoveIssuer(Action):
    """An issuer's word counts no more: the sessions that began there end, and the roles that it gave."""

    kind: ClassVar[str] = "issuer_removed"

    id: str

    def may(self, work: Work) -> None:
        _may(work)

    async def perform(self, work: Work) -> Done:
        issuer = await issuers.find(work.connection, self.id)
        if issuer is None or issuer.tenant != work.realm:
            raise not_found()
        people = await issuers.hold_people(work.connection, self.id)
        roles = await issuers.given_roles(work.connection, self.id)
        ended = await issuers.end_sessions(work.connection, self.id, work.now)
        await issuers.remove(work.connection, self.id, work.now)
        if work.tenant is not None:
            left = await deciders.count(work.connection, work.realm)
            membership.check_enough(left, work.tenant.settings.approvals_required)
        work.say(IssuerRemoved(tenant=work.realm, issuer_id=self.id, issuer=issuer.issuer, by=work.by.person))
        for member_id, role in roles:
            if (him := people.get(member_id)) is not None:
                work.say(
                    RoleRemoved(realm=work.realm, member=him.person, by=work.by.person, role=role, through=self.id)
                )
        for session_id, member_id in ended:
            if (him := people.get(member_id)) is not None:
                work.say(
                    SessionRevoked(
                        realm=work.realm,
                        member=him.person,
                        by=work.by.person,
                        session_id=session_id,
                        before=work.now,
                        reason="issuer_removed",
                    )
                )
        return Done(status=204)
