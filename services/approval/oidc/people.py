"""Whom an issuer's word is about: who he becomes here, and which roles he has by it. One transaction for each sign-in.

An issuer speaks for the people that came through it, and for no others: it cannot take over a member whom people added.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from services.approval.beginning import begin_session
from services.approval.domain.people import Member, add
from services.approval.oidc.faults import IssuerFault
from services.approval.parts import SERVICE, Parts
from services.approval.recording import record
from services.approval.store import issuers, members, tenants
from services.approval.store.issuers import Issuer
from shared.database.pool import Connection, clock, transaction
from shared.events.envelope import new_id, service_actor
from shared.events.members import RoleAssigned, RoleRemoved
from shared.events.values import Data
from shared.web.fields import Name, parse_email

METHOD: Final = "oidc"
_MOST_GROUPS: Final = 10_000
_NAME: Final = TypeAdapter[str](Name)


def roles_of(claims: Mapping[str, Any], group_claim: str, mapping: Mapping[str, str]) -> frozenset[str]:
    """Give the roles that somebody's groups stand for; groups that nobody mapped give none."""
    said = claims.get(group_claim)
    groups = [said] if isinstance(said, str) else said
    if not isinstance(groups, list):
        return frozenset()
    return frozenset(mapping[group] for group in groups[:_MOST_GROUPS] if isinstance(group, str) and group in mapping)


def changes_of_roles(
    member: Member, held: frozenset[str], said: frozenset[str], issuer_id: str
) -> list[RoleAssigned | RoleRemoved]:
    """Tell what is different in the roles that an issuer gives somebody: from those it said before to those it says now."""
    facts = {"realm": member.realm, "member": member.person, "through": issuer_id}
    return [
        *(RoleRemoved(role=role, **facts) for role in sorted(held - said)),
        *(RoleAssigned(role=role, **facts) for role in sorted(said - held)),
    ]


def person_in(claims: Mapping[str, Any]) -> tuple[str, str]:
    """Give the address and name of somebody new. Raises IssuerFault where the issuer has no address that can be used."""
    try:
        email = parse_email(str(claims["email"]))
    except (KeyError, ValueError):
        raise IssuerFault(
            "email_missing",
            "The issuer does not tell your e-mail address: it has to send the claim email, in the ID token or by UserInfo.",
        ) from None
    if claims.get("email_verified", True) is not True:
        raise IssuerFault("email_unverified", "The issuer has not verified your e-mail address.")
    try:
        name = _NAME.validate_python(claims.get("name"))
    except ValidationError:
        name = email.partition("@")[0]
    return email, name


async def arrive(
    parts: Parts, issuer: Issuer, claims: Mapping[str, Any], *, present: str | None, silent: bool
) -> tuple[str, int] | None:
    """Sign in whom an issuer speaks of, as a member of its tenant, with the roles that it says he has.

    Returns the token of a new session and its seconds; None where the session that the browser has goes on.

    `present` is the id of the session that his browser has: it goes on where it began at this issuer, as his. A `silent`
    renewal is for whoever has that session, and for nobody else. Raises IssuerFault.
    """
    subject: str = claims["sub"]
    async with transaction(parts.pool) as connection:
        await tenants.hold(connection, issuer.tenant, "UPDATE")
        if await issuers.find(connection, issuer.id) is None:
            raise IssuerFault("issuer_removed", "This issuer was removed.")
        facts: list[Data] = []
        known = await issuers.hold_identity(connection, issuer, subject)
        now = await clock(connection)
        going_on = None if present is None else await issuers.of_session(connection, present)
        if silent and (known is None or going_on != (known[0], issuer.id)):
            raise IssuerFault(
                "another_member", "At the issuer somebody else is signed in, or you are not signed in here."
            )
        if known is None:
            member = await _new(connection, issuer, claims)
            facts += add(member, by=None)
        else:
            member = await _known(connection, *known)
        await issuers.link(connection, issuer.id, subject, member.id, now)
        said = roles_of(claims, issuer.group_claim, issuer.mapping)
        held = await issuers.roles_through(connection, issuer.id, member.id)
        facts += changes_of_roles(member, held, said, issuer.id)
        await issuers.say_roles(connection, issuer.id, member.id, said, now)
        begun = None
        if going_on != (member.id, issuer.id):
            begun = await begin_session(connection, parts, member, method=METHOD, now=now, issuer_id=issuer.id)
        await record(connection, facts, actor=service_actor(SERVICE), now=now)
    return begun


async def _new(connection: Connection, issuer: Issuer, claims: Mapping[str, Any]) -> Member:
    email, name = person_in(claims)
    if await members.with_password(connection, issuer.tenant, email) is not None:
        raise IssuerFault(
            "address_taken",
            f"{email} is a member already, who signs in otherwise. An issuer cannot take over an account: sign in as before, "
            "or have a global_admin remove that member first.",
        )
    member = Member(id=new_id(), realm=issuer.tenant, email=email, name=name, roles=frozenset())
    await members.add(connection, member, password_hash=None)
    return member


async def _known(connection: Connection, member_id: str, present: bool) -> Member:
    found = await members.hold(connection, [member_id]) if present else {}
    if member_id not in found:
        raise IssuerFault(
            "member_removed",
            "You were removed from your organization here. A global_admin can add your address again, and you then sign in "
            "with a password.",
        )
    return found[member_id]
