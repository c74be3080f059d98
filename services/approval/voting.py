"""One vote on a proposed change: the tenant held, the vote counted with the others, the change carried out by the last of them.

A person counts once, whatever he votes from; proposing was the proposer's vote. One denial rejects. What the last vote carries
is judged again as things are then: may its proposer still ask for it, do those who agreed still decide, can it still be done.
"""

from dataclasses import replace
from typing import Final

from fastapi import Response

from services.approval.actions import ACTIONS
from services.approval.administering import Work, hold
from services.approval.callers import Caller
from services.approval.deciding import problem_for
from services.approval.domain.refusals import Forbidden, Refused
from services.approval.parts import Parts
from services.approval.recording import record
from services.approval.store import changes, deciders, members
from services.approval.store.changes import Change, ChangeState
from shared.database.pool import transaction
from shared.events.tenants import ChangeVoted
from shared.events.values import Vote
from shared.web.answers import answer, to_json
from shared.web.idempotency import Claim, claim_one, store_one
from shared.web.problems import Problem, not_found

_CLOSED: Final = {
    "carried": "The change has been carried out.",
    "rejected": "The change was rejected; whoever still wants it proposes it anew.",
    "void": "The change could not be carried out any more; whoever still wants it proposes it anew.",
    "expired": "The time for votes is over; whoever still wants the change proposes it anew.",
}
_SERVER_ERRORS: Final = 500


async def vote(
    parts: Parts, caller: Caller, tenant: str, change_id: str, said: Vote, claim: Claim | None = None
) -> Response:
    """Cast somebody's vote and answer with the change as it is then. Raises Problem, 404 for what is not his to see."""
    async with transaction(parts.pool) as connection:
        made = await claim_one(connection, claim)
        if made is not None:
            return made.response()
        if caller.member.realm != tenant:
            raise not_found()
        work = await hold(connection, parts, caller, tenant)
        change = await changes.find(connection, tenant, change_id)
        if change is None or not work.by.known_roles:
            raise not_found()
        try:
            if not work.by.decides_for(tenant):
                raise Forbidden("A change is voted on by a global_admin or lockbox_approver of the tenant.")
            change = await _cast(work, change, said)
        except Refused as refusal:
            raise problem_for(refusal, work.by) from None
        body = to_json(await changes.view(connection, change, work.now))
        await store_one(connection, claim, 200, body)
        await record(connection, work.facts, actor=work.actor, now=work.now)
    return answer(body)


async def _cast(work: Work, change: Change, said: Vote) -> Change:
    """Count a vote, and settle the change where that decides it. Raises Refused."""
    shown = changes.state_at(change, work.now)
    if shown != "open":
        raise Refused("change_closed", _CLOSED[shown])
    votes = dict(await changes.voters(work.connection, change.id))
    taken_back = said == "deny" and work.by.id == change.proposed_by.id
    if work.by.id in votes and not taken_back:
        raise Refused("already_voted", "You have voted on this change already.")
    await changes.vote(work.connection, change.id, work.by.id, said, work.now)
    position = len(work.facts)
    settled: ChangeState | None = None
    if said == "deny":
        settled = "rejected"
    elif await _enough(work, change, [*(one for one, how in votes.items() if how == "approve"), work.by.id]):
        settled = "carried" if await _carry(work, change) else "void"
    # The vote is told before what it brought about.
    voted = ChangeVoted(tenant=work.realm, change_id=change.id, vote=said, by=work.decider, outcome=settled)
    work.facts.insert(position, voted)
    if settled is None:
        return change
    await changes.settle(work.connection, change.id, settled, work.now)
    return replace(change, state=settled, settled_at=work.now)


async def _enough(work: Work, change: Change, agreed: list[str]) -> bool:
    """Say whether so many agree as the change takes: as many as when it was proposed, or more where more are asked for now."""
    assert work.tenant is not None
    needed = max(change.approvals_required, work.tenant.settings.approvals_required)
    return len(await deciders.among(work.connection, work.realm, agreed)) >= needed


async def _carry(work: Work, change: Change) -> bool:
    """Carry a change out; False, with nothing done, where it cannot be any more."""
    people = await members.hold(work.connection, [change.proposed_by.id])
    proposer = people.get(change.proposed_by.id)
    if proposer is None:
        return False
    # He proposed it by roles that counted then. What his issuer has said of him since counts; that it was silent does not.
    proposer = replace(proposer, roles=proposer.known_roles)
    action = ACTIONS[change.kind].model_validate_json(change.action)
    said = list(work.facts)
    work.change_id = change.id
    try:
        action.may(replace(work, by=proposer))
        async with work.connection.transaction():
            await action.perform(work)
    except (Refused, Problem) as refusal:
        if isinstance(refusal, Problem) and refusal.status >= _SERVER_ERRORS:
            raise
        work.facts[:] = said
        return False
    return True
