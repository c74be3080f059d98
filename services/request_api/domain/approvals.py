"""Is a decision about what was asked? A decision on anything else opens nothing: it is poison and blocks its request."""

from datetime import timedelta

from services.request_api.domain.resources import covers
from services.request_api.domain.submission import LONGEST_ACCESS
from shared.events.requests import RequestApproved
from shared.events.values import Data, Decision, RequestFacts, Resource
from shared.lifecycle import RequestState


class NotWhatWasAsked(ValueError):
    """A decision that does not fit the request it names."""


def check(state: RequestState, said: Data) -> None:
    """Compare what an event says with the request as it was submitted. Raises NotWhatWasAsked.

    `request_digest` is that of the RequestSubmitted bytes that the approver was shown: another one means that he was shown
    something else. An approval may narrow what was asked and never widen it.
    """
    submitted = state.submitted
    if submitted is None:
        raise NotWhatWasAsked("the submission is unknown")
    if isinstance(said, RequestFacts) and (said.request_id, said.tenant) != (submitted.request_id, submitted.tenant):
        raise NotWhatWasAsked("it names another request or tenant")
    if isinstance(said, Decision) and said.request_digest != state.digest:
        raise NotWhatWasAsked("request_digest is not that of the submission")
    if isinstance(said, RequestApproved):
        _check_approval(said, submitted.resources, submitted.duration, submitted.engineer.id)
        if state.approved is not None and state.approved != said:
            raise NotWhatWasAsked("another approval of this request is known")


def _check_approval(said: RequestApproved, resources: list[Resource], duration: timedelta, engineer_id: str) -> None:
    if said.engineer.id != engineer_id:
        raise NotWhatWasAsked("it grants access to another engineer")
    if not timedelta(0) < said.access_until - said.access_from <= min(duration, LONGEST_ACCESS):
        raise NotWhatWasAsked("it grants another time than was asked for")
    for granted in said.resources:
        if not all(covers(resources, granted.id, operation) for operation in granted.operations):
            raise NotWhatWasAsked(f"it grants {granted.id}, which was not asked for")
