"""Facts about tenants, members and clients become events: each with its subject's next revision."""

from collections.abc import Sequence
from datetime import datetime

from services.approval.parts import SERVICE
from shared.database.outbox import append
from shared.database.pool import Connection
from shared.events import members, tenants
from shared.events.catalogue import KIND_OF
from shared.events.envelope import Actor, Draft
from shared.events.values import Data

_REVISE = {
    "members": "UPDATE members SET revision = revision + 1 WHERE id = $1 RETURNING revision",
    "tenants": "UPDATE tenants SET revision = revision + 1 WHERE tenant = $1 RETURNING revision",
    "clients": "UPDATE clients SET revision = revision + 1 WHERE id = $1 RETURNING revision",
}


def _subject(fact: Data) -> tuple[str, str, str]:
    """Return the log that a fact belongs to, its subject, and the table of that."""
    match fact:
        case members.MemberFacts():
            return fact.realm, fact.member.id, "members"
        case members.ClientCreated() | members.ClientRevoked():
            return fact.realm, fact.client_id, "clients"
        case (
            tenants.TenantRegistered()
            | tenants.EntitlementChanged()
            | tenants.LockboxEnabled()
            | tenants.LockboxDisabled()
            | tenants.TenantSettingsChanged()
            | tenants.ChangeProposed()
            | tenants.ChangeVoted()
            | tenants.IssuerAdded()
            | tenants.IssuerRemoved()
        ):
            return fact.tenant, fact.tenant, "tenants"
    raise TypeError(f"{type(fact).__name__} is about no tenant, member or client")


async def record(connection: Connection, facts: Sequence[Data], *, actor: Actor, now: datetime) -> None:
    """Write facts into the outbox, in their order. The last thing that a transaction does; their subjects are stored by then."""
    await append(connection, SERVICE, await drafted(connection, facts, actor=actor), now=now)


async def drafted(connection: Connection, facts: Sequence[Data], *, actor: Actor) -> list[Draft]:
    """Give facts the next revisions of their subjects, which are stored by now."""
    drafts = []
    for fact in facts:
        realm, subject, table = _subject(fact)
        revision = None if KIND_OF[type(fact)].adds else await connection.fetchval(_REVISE[table], subject)
        drafts.append(Draft(fact, tenant=realm, subject=subject, actor=actor, revision=revision))
    return drafts
