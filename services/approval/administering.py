"""One administrative action on a realm: held, judged, carried out or put to the vote, recorded. The main path of all of them.

Locks in this order: the realm (its tenant's row; of the provider's realm an advisory lock), people, the realm's counter of
events. Every decision on a request holds its tenant FOR SHARE, so a tenant's members and settings stay as they are meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from fastapi import Response
from pydantic import BaseModel, ConfigDict

from services.approval.callers import Caller, as_known_now
from services.approval.deciding import problem_for
from services.approval.domain.people import Member
from services.approval.domain.refusals import Refused
from services.approval.domain.tenants import Tenant
from services.approval.parts import Parts
from services.approval.recording import record
from services.approval.store import changes, members, tenants
from services.approval.store.changes import Change
from shared.database.pool import Connection, clock, transaction
from shared.events.envelope import PROVIDER, Actor, new_id
from shared.events.tenants import Change as Changed
from shared.events.tenants import ChangeProposed
from shared.events.values import Data, Decider, Person
from shared.web.answers import answer, to_json
from shared.web.idempotency import Claim, claim_one, store_one
from shared.web.problems import not_found

# How long a proposed change waits for votes.
OPEN_FOR: Final = timedelta(days=14)
PROVIDER_LOCK: Final = 7311002


@dataclass(slots=True)
class Work:
    """A transaction that changes a realm: who acts, as he is known now, on what, and what has been said of it so far.

    `tenant` is None for the provider's realm. `change_id` names the proposed change that is being carried out, where it is one.
    """

    connection: Connection
    parts: Parts
    realm: str
    tenant: Tenant | None
    by: Member
    method: str
    session_id: str
    now: datetime
    change_id: str | None = None
    facts: list[Data] = field(default_factory=list)

    @property
    def decider(self) -> Decider:
        return self.by.decider(self.method)

    @property
    def actor(self) -> Actor:
        return Actor(self.by.id, self.by.acts_as)

    def say(self, *facts: Data) -> None:
        """Have facts recorded at the end of the transaction, in this order. Their subjects must be stored by then."""
        self.facts.extend(facts)


@dataclass(frozen=True, slots=True)
class Described:
    """What a proposed change is about, as ChangeProposed and the portal tell it."""

    changes: Mapping[str, Changed] = field(default_factory=dict)
    member: Person | None = None
    roles: Sequence[str] = ()
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What an action is answered. `secret` marks an answer that is never stored: a repeat is 409 `already_made`."""

    content: object = None
    status: int = 200
    secret: bool = False


class Action(BaseModel):
    """What somebody wants changed: sound input, that can be kept as JSON and carried out later, by the last of several votes.

    Every method runs under the realm's lock; each raises Refused (or Problem) where it has to.
    """

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str]

    def may(self, work: Work) -> None:
        """Refuse everybody who may not do this. Asked again of whoever proposed it when the last vote carries it."""
        raise NotImplementedError

    async def weakens(self, work: Work) -> bool:  # noqa: ARG002 - Most actions look at it.
        """Say whether this weakens the tenant's protection, so that it takes as many votes as a request does."""
        return False

    async def describe(self, work: Work) -> Described:
        """Say what people vote on; refuse here what could not be carried out as things are."""
        raise NotImplementedError

    async def perform(self, work: Work) -> Done:
        """Do it: change what is stored, and `work.say` what happened."""
        raise NotImplementedError


async def administer(
    parts: Parts, caller: Caller, realm: str, action: Action, claim: Claim | None = None, *, from_outside: bool = False
) -> Response:
    """Have an action done and give its answer, or put it to the vote: 202 with the change.

    A call made before gets its first answer.

    A realm that is not the caller's does not exist for him (404), unless `from_outside` says that the action is one of the
    provider's on a tenant. Raises Problem.
    """
    async with transaction(parts.pool) as connection:
        made = await claim_one(connection, claim)
        if made is not None:
            return made.response()
        if not from_outside and caller.member.realm != realm:
            raise not_found()
        work = await hold(connection, parts, caller, realm)
        try:
            action.may(work)
            if work.tenant is not None and work.tenant.settings.approvals_required > 1 and await action.weakens(work):
                done = Done(await propose(work, action), 202)
            else:
                done = await action.perform(work)
        except Refused as refusal:
            raise problem_for(refusal, work.by) from None
        body = to_json(done.content) if done.content is not None else b""
        await store_one(connection, claim, done.status, None if done.secret else body)
        await record(connection, work.facts, actor=work.actor, now=work.now)
    headers = {"Cache-Control": "no-store"} if done.secret else None
    return answer(body, done.status, headers) if body else Response(status_code=done.status)


async def hold(connection: Connection, parts: Parts, caller: Caller, realm: str) -> Work:
    """Hold a realm and the caller, and read both as they are now. Raises Problem 404, and InvalidToken for an ended session."""
    tenant = None
    if realm == PROVIDER:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", PROVIDER_LOCK)
    else:
        tenant = await tenants.hold(connection, realm, "UPDATE")
        if tenant is None:
            raise not_found()
    await members.hold(connection, [caller.member.id])
    now = await clock(connection)
    known = await as_known_now(connection, caller)
    return Work(connection, parts, realm, tenant, known.member, known.method, known.session_id, now)


async def propose(work: Work, action: Action) -> dict[str, Any]:
    """Put an action to the vote; proposing it is the first approval. Give the change as it is shown."""
    assert work.tenant is not None
    described = await action.describe(work)
    change = Change(
        id=new_id(),
        tenant=work.realm,
        kind=action.kind,
        action=action.model_dump_json(),
        described=to_json(described_as_json(described)).decode(),
        proposed_by=work.by.person,
        proposed_at=work.now,
        expires_at=work.now + OPEN_FOR,
        approvals_required=work.tenant.settings.approvals_required,
        state="open",
        settled_at=None,
    )
    await changes.add(work.connection, change)
    await changes.vote(work.connection, change.id, work.by.id, "approve", work.now)
    work.say(
        ChangeProposed(
            tenant=work.realm,
            change_id=change.id,
            kind=action.kind,
            changes=dict(described.changes),
            by=work.decider,
            approvals_required=change.approvals_required,
            member=described.member,
            roles=list(described.roles),
            issuer=described.issuer,
            expires_at=change.expires_at,
        )
    )
    return await changes.view(work.connection, change, work.now)


def described_as_json(described: Described) -> dict[str, Any]:
    """Give what is shown of a proposed change."""
    return {
        "changes": {name: changed.model_dump(mode="json") for name, changed in described.changes.items()},
        "member": None if described.member is None else described.member.model_dump(mode="json"),
        "roles": list(described.roles),
        "issuer": described.issuer,
    }
