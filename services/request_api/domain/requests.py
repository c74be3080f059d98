"""What the requester does with his request after its submission: take it back, answer, fetch a token, give the grant back."""

from datetime import datetime

from services.request_api.domain.people import Member
from shared.events.access import AccessReleased
from shared.events.requests import InformationProvided, RequestApproved, RequestSubmitted, RequestWithdrawn
from shared.lifecycle import RequestState
from shared.web.fields import format_timestamp
from shared.web.problems import Problem

MOST_ANSWERS = 100


def _submitted(state: RequestState) -> RequestSubmitted:
    # A row is made by the submission; all that follows finds it.
    assert state.submitted is not None
    return state.submitted


def withdraw(state: RequestState, by: Member, now: datetime) -> RequestWithdrawn | Problem | None:
    """Take a request back, which can be done until a token was issued. None: it was withdrawn before."""
    stage = state.state(now)
    if stage == "withdrawn":
        return None
    if state.token_issued_at is not None:
        return Problem(409, "use_release", "A token was issued: release the grant instead.")
    if stage == "ended":
        return Problem(409, "access_ended", "The access has ended; there is nothing to withdraw.")
    if stage in {"denied", "expired"}:
        return _over(stage)
    submitted = _submitted(state)
    return RequestWithdrawn(request_id=submitted.request_id, tenant=submitted.tenant, by=by.person)


def answer(state: RequestState, text: str, by: Member, now: datetime) -> InformationProvided | Problem:
    """Answer the approvers, which can be done until they have decided or their window has closed."""
    submitted = _submitted(state)
    stage = state.state(now)
    if stage not in {"awaiting_provider", "awaiting_customer"}:
        return _over(stage)
    if now >= submitted.decide_by:
        return _over("expired")
    if sum(message.kind == "answer" for message in state.thread.values()) >= MOST_ANSWERS:
        return Problem(409, "too_many_answers", f"A request has at most {MOST_ANSWERS} answers.")
    return InformationProvided(request_id=submitted.request_id, tenant=submitted.tenant, by=by.person, text=text)


def _over(stage: str) -> Problem:
    if stage == "expired":
        return Problem(409, "decision_window_closed", "The decision window has closed. Submit a new request.")
    return Problem(409, "already_decided", f"The request is {stage}; this was possible before the decision.")


def release(state: RequestState, by: Member, now: datetime) -> AccessReleased | Problem | None:
    """Give a grant back. None: it was released before."""
    approved = state.approved
    if approved is None:
        return Problem(409, "not_approved", "The request is not approved; there is nothing to release.")
    end = state.end(now)
    if end is not None and end[1] == "released":
        return None
    if state.state(now) not in {"approved", "active"}:
        return Problem(409, "access_ended", "The access has ended already.")
    return AccessReleased(
        request_id=approved.request_id, tenant=approved.tenant, grant_id=approved.grant_id, by=by.person
    )


def usable_approval(state: RequestState, now: datetime) -> RequestApproved | Problem:
    """Give the approval under which a token can be issued now, or why there is none."""
    approved = state.approved
    if approved is None or state.provider_approved_at is None:
        return Problem(409, "not_approved", f"The request is {state.state(now)}; a token needs both approvals.")
    if state.state(now) not in {"approved", "active"}:
        return Problem(409, "access_ended", "The access has ended. Submit a new request.")
    if now < approved.access_from:
        return Problem(409, "not_started", f"The access begins at {format_timestamp(approved.access_from)}.")
    return approved
