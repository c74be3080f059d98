"""What the pages of a request show beside the request itself: what happened so far, what the visitor can do, what is covered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.approval.portal.forms import Form
from services.approval.portal.page import Page
from shared.web.fields import format_duration, parse_duration
from shared.web.problems import Problem, invalid

UNDECIDED: Final = frozenset({"awaiting_provider", "awaiting_customer"})
IN_FORCE: Final = frozenset({"approved", "active"})
DECIDERS: Final = ("global_admin", "lockbox_approver")
# What an approver can choose from when he allows a shorter time.
_SHORTER: Final = ("PT15M", "PT30M", "PT1H", "PT2H", "PT3H")
_NOT_THERE: Final = frozenset({403, 404})

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a request's timeline. `by` is None where nobody did it but the time, or the service itself."""

    at: str
    kind: str
    by: Mapping[str, str] | None = None
    text: str | None = None
    decision: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Can:
    """What the visitor can do with a request now."""

    approve: bool = False
    provider_approve: bool = False
    ask: bool = False
    answer: bool = False
    withdraw: bool = False
    revoke: bool = False
    own: bool = False
    voted: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """What a decision needs beside the sign-in, and what the visitor has for it."""

    demanded: str
    code: bool
    passkey: bool
    missing: bool


async def maybe(page: Page, path: str, **query: Any) -> Any:
    """Read what the visitor may not be allowed to see: None then."""
    try:
        return await page.api.get(path, **query)
    except Problem as problem:
        if problem.status not in _NOT_THERE:
            raise
        return None


def can(page: Page, request: Request) -> Can:
    """Say what the visitor can do; the API judges it again when he does."""
    state, email = request["state"], page.known["email"]
    own = page.provider and request["engineer"]["id"] == page.known["id"]
    decides = not page.provider and page.has(*DECIDERS)
    manages = page.provider and page.has("manager")
    votes = [one for one in request["decisions"] if one["stage"] == "customer" and one["by"]]
    voted = any(one["by"]["email"] == email for one in votes)
    return Can(
        approve=decides and state == "awaiting_customer" and not voted,
        provider_approve=manages and not own and state == "awaiting_provider",
        ask=(decides or (manages and not own)) and state in UNDECIDED,
        answer=own and state in UNDECIDED and bool(request["thread"]),
        withdraw=own and (state in UNDECIDED or state == "approved"),
        revoke=(decides or manages) and state in IN_FORCE,
        own=own,
        voted=voted,
    )


def proof(page: Page) -> Proof:
    """Say what a decision of the visitor's needs."""
    me = page.known
    kinds = {one["kind"] for one in me.get("factors") or ()}
    method = str((me.get("session") or {}).get("method", "password"))
    demanded = str(me.get("second_factor") or "off")
    shown = "totp" in method
    code = demanded == "any" and not shown and "totp" in kinds
    passkey = "passkey" in kinds
    satisfied = demanded == "off" or (demanded == "any" and (shown or bool(kinds))) or passkey
    return Proof(demanded=demanded, code=code, passkey=passkey, missing=not satisfied)


def timeline(request: Request) -> list[Step]:
    """Tell a request's life in the order of time."""
    steps = [Step(request["submitted_at"], "submitted", request["engineer"])]
    steps += [
        Step(one["at"], f"{one['stage']}_{one['decision']}", one["by"], one["comment"], one)
        for one in request["decisions"]
    ]
    steps += [Step(one["at"], one["kind"], one["by"], one["text"]) for one in request["thread"]]
    steps.sort(key=lambda step: step.at)
    grant = request["grant"]
    if grant is not None:
        steps.append(Step(grant["access_from"], "access_from"))
        steps.append(Step(grant["access_until"], "access_until") if grant["ended_at"] is None else _end(request, grant))
    return steps


def _end(request: Request, grant: Mapping[str, Any]) -> Step:
    return Step(grant["ended_at"], f"ended_{request['ended_by'] or request['state']}")


def approvals(request: Request) -> int:
    """Count the customer's approvals so far."""
    return sum(one["stage"] == "customer" and one["decision"] == "approved" for one in request["decisions"])


def shorter(asked: str) -> list[str]:
    """Give the durations that are shorter than what was asked."""
    longest = parse_duration(asked)
    return [one for one in _SHORTER if parse_duration(one) < longest]


def narrowing(form: Form, request: Request) -> dict[str, Any]:
    """Read what an approver left of what was asked: nothing where he left all of it. Raises Problem 422.

    Checkboxes name a resource and an operation by their places in the request, which never changes.
    """
    body: dict[str, Any] = {}
    wanted = form.text("duration")
    if wanted is not None and parse_or(wanted) != parse_or(request["duration"]):
        body["duration"] = wanted
    if not form.has("narrowing"):
        return body
    allowed = set(form.all("allow"))
    left: list[dict[str, Any]] = []
    whole = True
    for position, resource in enumerate(request["resources"]):
        operations = [one for number, one in enumerate(resource["operations"]) if f"{position}.{number}" in allowed]
        whole = whole and len(operations) == len(resource["operations"])
        if operations:
            left.append({"id": resource["id"], "operations": operations})
    if not left:
        raise invalid(("resources", "must not be empty: leave at least one, or deny the request"))
    if not whole:
        body["resources"] = left
    return body


def parse_or(text: str) -> str:
    """Write a duration in its canonical form; what is none stays as it is, for the API to refuse."""
    try:
        return format_duration(parse_duration(text))
    except ValueError:
        return text


def catalogue_entry(services: Sequence[Mapping[str, Any]], service: str) -> Mapping[str, Any] | None:
    return next((one for one in services if one["id"] == service), None)
