"""Actions under a grant token: asked for before they are done, and how they ended."""

from __future__ import annotations

from typing import Literal

from lockbox.client.calls import Call, as_, given, path
from lockbox.client.groups import Group, Mode, Operation
from lockbox.client.things.requests import Action, Completion, GrantToken


def _act(token: GrantToken | str, resource: str, operation: str, detail: str | None = None) -> Call[Action]:
    """Ask whether something may be done; the answer is on the record. Raises Forbidden with the gate's code where it may not."""
    body = given(resource=resource, operation=operation, detail=detail)
    return Call("POST", "request_api", "/v1/actions", as_(Action), body=body, keyed=True, bearer=_bearer(token))


def _complete(
    token: GrantToken | str, action_id: str, outcome: Literal["success", "failure"], detail: str | None = None
) -> Call[Completion]:
    """Report how an allowed action ended."""
    return Call(
        "POST",
        "request_api",
        path("/v1/actions/{}/completion", action_id),
        as_(Completion),
        body=given(outcome=outcome, detail=detail),
        keyed=True,
        bearer=_bearer(token),
    )


def _bearer(token: GrantToken | str) -> str:
    return token if isinstance(token, str) else token.token


class Actions(Group[Mode]):
    """What is done under a grant. Each takes the grant token in place of the session's."""

    act = Operation(_act)
    complete = Operation(_complete)
