"""Requests: ask for access, decide, talk, and wait for what comes of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from lockbox.client.calls import Call, Place, as_, given, pages_of, path
from lockbox.client.errors import WaitedTooLong
from lockbox.client.groups import Group, Listing, Mode, Operation, Procedure
from lockbox.client.reading import Page
from lockbox.client.sending import PROVIDER, Caller, Program, Sleep
from lockbox.client.things.requests import Challenge, CoveredService, GrantToken, Request, Resource

Resources = Sequence[Resource | Mapping[str, Any]]
"""What is asked for or granted: `{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}`."""


def _submit(
    *,
    tenant: str,
    service: str,
    ticket: str,
    category: str,
    detail: str,
    resources: Resources,
    duration: timedelta,
    starts_at: datetime | None = None,
    extends: str | None = None,
    key: str | None = None,
) -> Call[Request]:
    """Ask for access. `key` is an Idempotency-Key of one's own, where the asking must survive one's own end."""
    body = given(
        tenant=tenant,
        service=service,
        ticket=ticket,
        reason={"category": category, "detail": detail},
        resources=resources,
        duration=duration,
        starts_at=starts_at,
        extends=extends,
    )
    return Call("POST", "request_api", "/v1/requests", as_(Request), body=body, keyed=True, key=key)


def _page(
    *,
    state: str | None = None,
    order: Literal["newest", "deadline"] | None = None,
    tenant: str | None = None,
    service: str | None = None,
    engineer: str | None = None,
    text: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    at: Place | None = None,
) -> Call[Page[Request]]:
    """List the requests that one sees, the newest first, or (`order="deadline"`) those to be decided soonest.

    `text` is looked for in ticket, engineer, resource and reason. Only approval knows more filters than `state` and `tenant`,
    so it is asked where there are others; else, as by default, the service that knows the caller's requests first.
    """
    narrowed = given(order=order, service=service, engineer=engineer, q=text, since=since, until=until)
    query = given(state=state, tenant=tenant, cursor=cursor, limit=limit) | narrowed
    place = at or ("approval" if narrowed else "own")
    return Call("GET", place, "/v1/requests", pages_of(Request), query=query)


def _get(request_id: str, *, at: Place = "own") -> Call[Request]:
    """Show a request, as the service knows it that knows the caller's requests first, or as `at` does."""
    return Call("GET", at, path("/v1/requests/{}", request_id), as_(Request))


def _withdraw(request_id: str) -> Call[Request]:
    """Take a request back, until a token was issued."""
    return _post("request_api", "withdraw", request_id, None)


def _answer(request_id: str, text: str) -> Call[Request]:
    """Answer an approver's question."""
    return _post("request_api", "answers", request_id, {"text": text})


def _ask(request_id: str, text: str) -> Call[Request]:
    """Ask the engineer something before deciding."""
    return _post("approval", "questions", request_id, {"text": text})


def _provider_approve(request_id: str, comment: str | None = None) -> Call[Request]:
    """Agree, as a manager of the provider."""
    return _post("approval", "provider-approve", request_id, given(comment=comment))


def _provider_deny(request_id: str, comment: str) -> Call[Request]:
    """Refuse, as a manager of the provider."""
    return _post("approval", "provider-deny", request_id, {"comment": comment})


def _approve(
    request_id: str,
    comment: str | None = None,
    *,
    duration: timedelta | None = None,
    resources: Resources | None = None,
    code: str | None = None,
    assertion: Mapping[str, Any] | None = None,
    settings_version: int | None = None,
) -> Call[Request]:
    """Agree for the customer, to all of it or to less. `code` is of TOTP, `assertion` a passkey's over `challenge`."""
    body = given(
        comment=comment,
        duration=duration,
        resources=resources,
        code=code,
        assertion=assertion,
        settings_version=settings_version,
    )
    return _post("approval", "approve", request_id, body)


def _deny(
    request_id: str,
    comment: str,
    *,
    code: str | None = None,
    assertion: Mapping[str, Any] | None = None,
    settings_version: int | None = None,
) -> Call[Request]:
    """Refuse for the customer."""
    body = given(comment=comment, code=code, assertion=assertion, settings_version=settings_version)
    return _post("approval", "deny", request_id, body)


def _challenge(
    request_id: str,
    decision: Literal["approve", "deny"],
    *,
    duration: timedelta | None = None,
    resources: Resources | None = None,
) -> Call[Challenge]:
    """Get what a passkey has to sign for a decision."""
    body = given(decision=decision, duration=duration, resources=resources)
    return Call("POST", "approval", path("/v1/requests/{}/challenge", request_id), as_(Challenge), body=body)


def _token(request_id: str) -> Call[GrantToken]:
    """Fetch a grant token, a new one each time; waits for the proof that the approval is in the log."""
    where = path("/v1/requests/{}/token", request_id)
    return Call("POST", "request_api", where, as_(GrantToken), body={}, keyed=True)


def _services() -> Call[Page[CoveredService]]:
    """List the services that requests can be about, and the parts of them that are excluded."""
    return Call("GET", "approval", "/v1/services", pages_of(CoveredService))


def _post(place: Place, action: str, request_id: str, body: Mapping[str, Any] | None) -> Call[Request]:
    where = path("/v1/requests/{}/" + action, request_id)
    return Call("POST", place, where, as_(Request), body=body, keyed=True)


def _wait(
    caller: Caller,
    request_id: str,
    until: Collection[str] | None = None,
    *,
    seconds: float = 300.0,
    at: Place = "own",
) -> Program[Request]:
    """Look at a request until its state is one of `until`, or (None) another than at the first look; return it.

    Raises WaitedTooLong after so many seconds; its `last` is the request as it was.
    """
    deadline = time.monotonic() + seconds
    first: str | None = None
    looks = 0
    while True:
        found = yield from caller.call(_get(request_id, at=at))
        first = first or found.state
        if found.state in until if until is not None else found.state != first:
            return found
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitedTooLong(f"the request is still {found.state}", last=found)
        looks += 1
        yield Sleep(min(left, caller.policy.pause(min(looks, 4), None)))


class Requests(Group[Mode]):
    """Requests for access."""

    submit = Operation(_submit)
    list = Listing(_page)
    page = Operation(_page)
    get = Operation(_get)
    wait = Procedure(_wait)
    withdraw = Operation(_withdraw)
    answer = Operation(_answer)
    ask = Operation(_ask)
    provider_approve = Operation(_provider_approve)
    provider_deny = Operation(_provider_deny)
    approve = Operation(_approve)
    deny = Operation(_deny)
    challenge = Operation(_challenge)
    token = Operation(_token)
    services = Operation(_services)


def _revoke(grant_id: str, reason: str) -> Call[Request]:
    """End an access at once, as the customer or as a manager; the request as it is now."""
    where = path("/v1/grants/{}/revoke", grant_id)
    return Call("POST", "approval", where, as_(Request), body={"reason": reason}, keyed=True)


def _release(grant_id: str) -> Call[Request]:
    """Give a grant back before its time is over; the request as it is now."""
    return Call("POST", "request_api", path("/v1/grants/{}/release", grant_id), as_(Request), keyed=True)


def _in_force(caller: Caller, *, tenant: str | None = None, most: int = 1000) -> Program[tuple[Request, ...]]:
    """List the requests whose grants are in force or to begin: those approved, and those with a token."""
    found: list[Request] = []
    for state in ("active", "approved"):
        # Customers are asked nothing of a tenant: they see their own.
        wanted = tenant if caller.realm == PROVIDER else None
        call: Call[Page[Request]] | None = _page(state=state, tenant=wanted, limit=min(most, 100))
        while call is not None and len(found) < most:
            page = yield from caller.call(call)
            found.extend(page.items)
            call = None if page.next_cursor is None else call.after(page.next_cursor)
    return tuple(found[:most])


class Grants(Group[Mode]):
    """What was granted."""

    in_force = Procedure(_in_force)
    revoke = Operation(_revoke)
    release = Operation(_release)
