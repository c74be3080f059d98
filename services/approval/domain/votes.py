"""The customer's votes on a request: each is an event, and the last one that it takes grants what all of them leave."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.approval.domain.narrowing import common, narrowed
from services.approval.domain.refusals import Refused
from services.approval.domain.requests import (
    Facts,
    World,
    interval,
    not_his_own,
    objection_to,
    open_in,
    said_of,
)
from shared.events.requests import RequestApproved, RequestDenied, VoteCast
from shared.events.values import Assertion, Decider, Resource
from shared.lifecycle import Ballot, RequestState


def approve(
    state: RequestState,
    *,
    by: Decider,
    comment: str | None,
    duration: timedelta | None,
    resources: Sequence[Resource] | None,
    world: World,
    vote_id: str,
    grant_id: str,
    now: datetime,
    assertion: Assertion | None = None,
) -> Facts:
    """The customer agrees, to all of what was asked or to less of it; `vote_id` is the id that the vote's event gets.

    Access is granted once as many people agree as were asked for, each counted once and only while he still may decide: to
    what every one of them leaves. Denied by the service where the world has changed. Raises Refused (`nothing_in_common` where
    the votes leave nothing together), and Invalid `widens_request`.
    """
    submitted = open_in(state, "customer", now)
    not_his_own(submitted, by)
    _first_vote(state, by)
    granted, lasting = narrowed(submitted.resources, submitted.duration, resources, duration)
    counted = _counted(state, world)
    together, shortest = common(granted, lasting, [(one.resources, one.duration) for one in counted.values()])
    if not together:
        raise Refused(
            "nothing_in_common", "You and those who voted before would grant nothing in common: leave more, or deny."
        )
    enough = len({by.id, *(one.member_id for one in counted.values())}) >= (state.approvals_required or 1)
    vote = said_of(state, world, granted, lasting, comment) | {"approver": by, "assertion": assertion}
    # What a later vote can still narrow is no reason to deny.
    objection = objection_to(submitted, world, together if enough else [], shortest if enough else None)
    if objection is not None:
        denied = said_of(state, world, together, shortest, objection.comment)
        return [VoteCast(**vote, vote="approve"), RequestDenied(**denied, approver=None, code=objection.code)]
    if not enough:
        return [VoteCast(**vote, vote="approve")]
    lasts = interval(submitted, shortest, now)
    return [
        VoteCast(**vote, **lasts, vote="approve"),
        RequestApproved(
            **(vote | lasts | {"resources": together, "duration": shortest}),
            grant_id=grant_id,
            votes=[*counted, vote_id],
            basis="customer_decision",
            engineer=submitted.engineer,
            service=submitted.service,
        ),
    ]


def deny(
    state: RequestState,
    *,
    by: Decider,
    comment: str,
    world: World,
    now: datetime,
    assertion: Assertion | None = None,
) -> Facts:
    """The customer refuses: one denial denies, whatever others have voted. Raises Refused."""
    submitted = open_in(state, "customer", now)
    not_his_own(submitted, by)
    _first_vote(state, by)
    said = said_of(state, world, submitted.resources, submitted.duration, comment)
    said |= {"approver": by, "assertion": assertion}
    return [VoteCast(**said, vote="deny"), RequestDenied(**said)]


def _first_vote(state: RequestState, by: Decider) -> None:
    if any(ballot.member_id == by.id for ballot in state.ballots.values()):
        raise Refused("already_voted", "You have voted on this request already.")


def _counted(state: RequestState, world: World) -> dict[str, Ballot]:
    """Return the approvals of those who still may decide, by their events, in their order."""
    return {
        event_id: ballot
        for event_id, ballot in sorted(state.ballots.items())
        if ballot.vote == "approve" and ballot.member_id in world.deciding
    }
