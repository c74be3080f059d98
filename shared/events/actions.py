"""What an engineer did, and what was refused, under a grant. An action is on the record before its answer is given."""

from datetime import datetime
from typing import Literal

from shared.events.values import Data


class ActionFacts(Data):
    """`gate` is the name of the enforcement point that asked; `actions-api` for `POST /v1/actions`."""

    action_id: str
    grant_id: str
    request_id: str
    tenant: str
    resource: str
    operation: str
    gate: str


class ActionRecorded(ActionFacts):
    """The action was allowed."""

    detail: str | None = None
    code: str | None = None


class ActionRefused(ActionFacts):
    """The action was refused, for the reason in `code` (the gate codes of the contract)."""

    detail: str | None = None
    code: str


class ActionCompleted(ActionFacts):
    """How a recorded action ended."""

    outcome: Literal["success", "failure"]
    detail: str | None = None


class RefusalsSummarized(Data):
    """Refusals of one token over the bound for single records, counted."""

    grant_id: str
    count: int
    codes: dict[str, int]
    first: datetime
    last: datetime
