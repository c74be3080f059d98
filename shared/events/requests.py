"""The life of a request, from its submission to the decision."""

from datetime import datetime, timedelta
from typing import Literal

from shared.events.values import Data, Decider, Decision, Engineer, Person, Reason, RequestFacts, Resource, Stage, Vote


class RequestSubmitted(RequestFacts):
    """An engineer asks. `decide_by` is the end of the decision window, which covers both stages."""

    service: str
    ticket: str
    reason: Reason
    resources: list[Resource]
    duration: timedelta
    starts_at: datetime | None = None
    extends: str | None = None
    engineer: Engineer
    submitted_at: datetime
    decide_by: datetime


class RequestWithdrawn(RequestFacts):
    """The engineer took the request back, before a token was issued."""

    by: Person


class InformationRequested(RequestFacts):
    """An approver asks the engineer something."""

    by: Person
    text: str


class InformationProvided(RequestFacts):
    """The engineer's answer."""

    by: Person
    text: str


class ProviderApproved(Decision):
    """The provider's manager agrees; the customer is asked next, where the lockbox is on (`approvals_required` people)."""

    approvals_required: int


class ProviderDenied(Decision):
    """The provider's manager refuses, or (`approver` null) the service does, for the reason in `code`."""

    code: str | None = None


class VoteCast(Decision):
    """One of the customer's people has voted. Each vote is an event, also where one is enough.

    `resources` and `duration` are what he leaves; `access_from` and `access_until` stand in a vote that was the last it took.
    """

    vote: Vote


class RequestApproved(Decision):
    """Access is granted from `access_from` until `access_until`, and at no other time.

    `basis` is `customer_decision`, or `lockbox_disabled` where the tenant had the lockbox off when the manager approved.
    `approver` gave the last approval that it took; `votes` are the ids of the VoteCast events that counted. What is granted is
    what all of these leave: where the last voter left more, his `assertion` is over what stands in his own VoteCast.
    """

    grant_id: str
    votes: list[str] = []
    basis: Literal["customer_decision", "lockbox_disabled"]
    approver: Decider
    access_from: datetime
    access_until: datetime
    engineer: Engineer
    service: str


class RequestDenied(Decision):
    """The customer refuses, or (`approver` null) the service does, for the reason in `code`."""

    code: str | None = None


class RequestExpired(RequestFacts):
    """Nobody decided in time."""

    decide_by: datetime
    stage: Stage


class DecisionWindowClosed(RequestFacts):
    """The clock passed `decide_by`. Says nothing about the request: `approval` decides what it means."""

    decide_by: datetime


class ReminderDue(RequestFacts):
    """`left` of the decision window remains, and `to` asked to be reminded then."""

    left: timedelta
    to: str
    decide_by: datetime


class SourceCount(Data):
    """How many events one source has in the log for a request, and the last of its numbers."""

    events: int
    last_sequence: int


class RequestSealed(Data):
    """How many events of a request the log holds from each source, once it is over."""

    request_id: str
    sources: dict[str, SourceCount]
