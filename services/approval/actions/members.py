"""Who belongs to a realm, with which roles; and what lets somebody start anew who cannot sign in."""

from typing import Any, ClassVar

from services.approval.administering import Action, Described, Done, Work
from services.approval.domain import membership, people
from services.approval.domain.people import DECIDING_ROLES, PRIVILEGED_ROLES, SUBMITTING_ROLES, Member
from services.approval.domain.refusals import Refused
from services.approval.invitations import invite
from services.approval.store import deciders, factors, links, members, own_decisions, sessions
from services.approval.store.mails import About
from services.approval.words import DEFAULT
from shared.events.envelope import PROVIDER
from shared.events.members import (
    FactorRemoved,
    MemberRemoved,
    PasswordReset,
    RoleRemoved,
    SessionRevoked,
)
from shared.web.problems import not_found


class AddMember(Action):
    """A new member. `id` is chosen when it is asked for, so that the vote and the member are about the same person."""

    kind: ClassVar[str] = "member_added"

    id: str
    email: str
    name: str
    roles: tuple[str, ...] = ()
    employer: str | None = None
    job_title: str | None = None
    country: str | None = None
    language: str = DEFAULT

    def may(self, work: Work) -> None:
        membership.may_manage(work.by, work.realm)
        if self.roles:
            membership.may_assign(work.by, work.realm)

    async def weakens(self, work: Work) -> bool:
        membership.check_roles(work.realm, self.roles, "roles")
        return not PRIVILEGED_ROLES.isdisjoint(self.roles)

    async def describe(self, work: Work) -> Described:
        return Described(member=(await self._new(work)).person, roles=sorted(set(self.roles)))

    async def perform(self, work: Work) -> Done:
        member = await self._new(work)
        await members.add(work.connection, member, password_hash=None)
        added, *assigned = people.add(member, by=work.by.person)
        work.say(*(fact.model_copy(update={"change_id": work.change_id}) for fact in (added, *assigned)))
        await invite(work.connection, work.parts.settings, member.id, "welcome", self.language, work.now)
        return Done(await shown(work, member), 201)

    async def _new(self, work: Work) -> Member:
        membership.check_roles(work.realm, self.roles, "roles")
        if await members.with_password(work.connection, work.realm, self.email) is not None:
            raise Refused("member_exists", f"{self.email} is a member already.")
        return Member(
            id=self.id,
            realm=work.realm,
            email=self.email,
            name=self.name,
            roles=frozenset(self.roles),
            employer=self.employer,
            job_title=self.job_title,
            country=self.country,
        )


class _OfMember(Action):
    """What is done to somebody who is a member."""

    email: str

    async def _him(self, work: Work) -> Member:
        him = await members.hold_alone(work.connection, work.realm, self.email)
        if him is None:
            raise not_found()
        if work.change_id is None:
            membership.may_manage_him(work.by, him)
        return him


class RemoveMember(_OfMember):
    """Somebody is a member no longer."""

    kind: ClassVar[str] = "member_removed"

    def may(self, work: Work) -> None:
        membership.may_manage(work.by, work.realm)

    async def perform(self, work: Work) -> Done:
        him = await self._him(work)
        await _see_admins_stay(work, him)
        await members.remove(work.connection, him.id, work.now)
        await links.end(work.connection, him.id, work.now)
        await links.drop_codes(work.connection, him.id)
        await factors.remove_all(work.connection, him.id)
        await _see_deciders_stay(work, him)
        await _submits_no_more(work, him, him.roles)
        work.say(MemberRemoved(**_about(work, him)))
        await _end_sessions(work, him, "member_removed")
        return Done(status=204)


class _OfRole(_OfMember):
    """What is done about one role of a member."""

    role: str

    def may(self, work: Work) -> None:
        membership.may_assign(work.by, work.realm)

    async def _him(self, work: Work) -> Member:
        membership.check_roles(work.realm, [self.role], "role")
        return await super()._him(work)


class AssignRole(_OfRole):
    """Somebody is given a role. Whoever gets a privileged one sets up anew, by a link that is mailed to him."""

    kind: ClassVar[str] = "role_assigned"

    language: str = DEFAULT

    async def weakens(self, work: Work) -> bool:
        him = await self._him(work)
        return self.role in PRIVILEGED_ROLES and self.role not in await members.given(work.connection, him.id)

    async def describe(self, work: Work) -> Described:
        return Described(member=(await self._him(work)).person, roles=[self.role])

    async def perform(self, work: Work) -> Done:
        him = await self._him(work)
        given = await members.given(work.connection, him.id)
        if self.role not in given:
            await members.give(work.connection, him.id, self.role)
            assigned = people.assign(him, self.role, by=work.by.person)
            work.say(assigned.model_copy(update={"change_id": work.change_id}))
            if membership.starts_anew(self.role, by_himself=him.id == work.by.id and work.change_id is None):
                await _start_anew(work, him, "privileged_role", self.language)
                await _remove_factors(work, him)
        return Done(await shown(work, him))


class RemoveRole(_OfRole):
    """Somebody loses a role."""

    kind: ClassVar[str] = "role_removed"

    async def perform(self, work: Work) -> Done:
        him = await self._him(work)
        if self.role in await members.given(work.connection, him.id):
            if self.role == membership.admin_role(work.realm):
                await _see_admins_stay(work, him)
                await links.drop_codes(work.connection, him.id)
            await members.take(work.connection, him.id, self.role)
            await _see_deciders_stay(work, him)
            await _submits_no_more(work, him, {self.role})
            work.say(RoleRemoved(**_about(work, him), role=self.role))
        elif self.role in him.known_roles:
            raise Refused("role_of_issuer", "An issuer's group gives this role: take him out of the group there.")
        return Done(status=204)


class _OfCredentials(_OfMember):
    """What is done about how a member signs in: of a privileged one it takes a global_admin, and as many votes as a request."""

    def may(self, work: Work) -> None:
        # Only what concerns a privileged member is ever voted on.
        if work.change_id is None:
            membership.may_manage(work.by, work.realm)
        else:
            membership.may_assign(work.by, work.realm)

    async def weakens(self, work: Work) -> bool:
        return (await self._him(work)).is_privileged

    async def describe(self, work: Work) -> Described:
        him = await self._him(work)
        return Described(member=him.person, roles=sorted(him.roles))


class ResetPassword(_OfCredentials):
    """Somebody's password and sessions end, and he gets a link to set up anew. Nobody sets a password for another."""

    kind: ClassVar[str] = "password_reset"

    language: str = DEFAULT

    async def perform(self, work: Work) -> Done:
        him = await self._him(work)
        admins = await members.holders(work.connection, work.realm, membership.admin_role(work.realm))
        if membership.is_last_admin(him, admins):
            membership.check_way_back(has_codes=await links.has_codes(work.connection, him.id))
        elif him.id != work.by.id:
            # Where somebody else has to step in, the paper with the codes may be in wrong hands too.
            await links.drop_codes(work.connection, him.id)
        await _start_anew(work, him, "reset", self.language)
        return Done({"sent_to": him.email}, 202)


class RemoveFactors(_OfCredentials):
    """All of somebody's second factors end."""

    kind: ClassVar[str] = "factors_removed"

    async def perform(self, work: Work) -> Done:
        await _remove_factors(work, await self._him(work))
        return Done(status=204)


async def shown(work: Work, member: Member) -> dict[str, Any]:
    """Show a member as he is now, with what is unwise about it."""
    view = await members.view(work.connection, work.realm, member.email)
    assert view is not None, "he is held"
    count = 0 if work.realm == PROVIDER else await deciders.count(work.connection, work.realm)
    return view | {"warnings": membership.warnings(count)}


def _about(work: Work, him: Member) -> dict[str, Any]:
    return {"realm": him.realm, "member": him.person, "by": work.by.person, "change_id": work.change_id}


async def _start_anew(work: Work, him: Member, reason: About, language: str) -> None:
    """Forget a password, end the sessions, mail a link."""
    await members.forget_password(work.connection, him.id)
    await invite(work.connection, work.parts.settings, him.id, reason, language, work.now)
    work.say(PasswordReset(**_about(work, him), reason=reason))
    await _end_sessions(work, him, "password_reset")


async def _end_sessions(work: Work, him: Member, reason: str) -> None:
    for one in await sessions.end_all(work.connection, him.id, work.now):
        work.say(SessionRevoked(**_about(work, him), session_id=one, before=work.now, reason=reason))


async def _remove_factors(work: Work, him: Member) -> None:
    for factor in await factors.remove_all(work.connection, him.id):
        work.say(FactorRemoved(**_about(work, him), factor_id=factor.id, kind=factor.kind))


async def _see_admins_stay(work: Work, him: Member) -> None:
    admins = await members.holders(work.connection, work.realm, membership.admin_role(work.realm))
    membership.check_admin_leaves(him, admins)


async def _see_deciders_stay(work: Work, him: Member) -> None:
    """Refuse what has just left too few; the transaction is undone then."""
    if work.tenant is not None and not him.roles.isdisjoint(DECIDING_ROLES):
        left = await deciders.count(work.connection, work.realm)
        membership.check_enough(left, work.tenant.settings.approvals_required)


async def _submits_no_more(work: Work, him: Member, lost: set[str] | frozenset[str]) -> None:
    """End the grants of an engineer who may not submit any more."""
    submitted = work.realm == PROVIDER and not him.roles.isdisjoint(SUBMITTING_ROLES)
    if submitted and SUBMITTING_ROLES.isdisjoint(him.roles - lost):
        await own_decisions.engineer_gone(work.connection, him.id)
