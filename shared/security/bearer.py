"""What a call shows of its caller: a bearer token, or between services the internal credential."""

import hmac
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final, Generic, TypeVar

from fastapi import Request
from fastapi.openapi.models import HTTPBearer as BearerScheme
from fastapi.security.base import SecurityBase
from pydantic import SecretStr
from structlog.contextvars import bind_contextvars

from shared.security.tokens import Grant, Session, TokenVerifier
from shared.web.problems import unauthorized

Claims = TypeVar("Claims")

# RFC 6750, 2.1.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]{1,4096}=*)", re.IGNORECASE)


def read_bearer(request: Request) -> str:
    """Give the token of `Authorization: Bearer TOKEN`.

    Raises Problem 401 `not_authenticated` where there is none, `token_invalid` where the header is another or repeated.
    """
    headers = request.headers.getlist("authorization")
    if not headers:
        raise unauthorized()
    found = _BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    if found is None:
        raise unauthorized("token_invalid", "Send one header, Authorization: Bearer TOKEN.")
    return found[1]


class Caller(SecurityBase, Generic[Claims]):
    """Dependency: who calls, by a token that was verified: `session: Annotated[Session, Security(caller)]`.

    One dependency and not a chain of them, for it stands before every call. `verifier` gives the verifier once the
    service has started. It raises Problem 401, and KeysUnavailable (503).
    """

    def __init__(self, verifier: Callable[[], TokenVerifier[Claims]], name: str, description: str) -> None:
        self.model = BearerScheme(description=description)
        self.scheme_name = name
        self._verifier = verifier

    async def __call__(self, request: Request) -> Claims:
        """Verify the call's token. What is logged of the call from here on names its tenant."""
        claims = await self._verifier().verify(read_bearer(request))
        bind_contextvars(tenant=claims.tenant if isinstance(claims, Grant) else getattr(claims, "realm", None))
        return claims


def session_caller(verifier: Callable[[], TokenVerifier[Session]]) -> Caller[Session]:
    """Make the dependency of routes for people and clients who have signed in."""
    return Caller(verifier, "session", "The access_token of POST /v1/sessions.")


def grant_caller(verifier: Callable[[], TokenVerifier[Grant]]) -> Caller[Grant]:
    """Make the dependency of routes for an engineer under a grant."""
    return Caller(verifier, "grant", "The token of POST /v1/requests/{id}/token.")


class _Bearer(SecurityBase):
    def __init__(self, name: str, description: str) -> None:
        self.model = BearerScheme(description=description)
        self.scheme_name = name

    async def __call__(self, request: Request) -> str:
        return read_bearer(request)


bearer_token: Final = _Bearer("session", "The access_token of POST /v1/sessions.")
"""Dependency: a session's token, not yet verified. `token: Annotated[str, Security(bearer_token)]`."""


def internal_caller(secret: SecretStr) -> Callable[[Request], Awaitable[None]]:
    """Make the dependency that admits only the other services, by the credential that all of them share.

    Compared in constant time. It raises Problem 401.
    """
    # Hashes have one length, so that the comparison's time tells nothing of it either.
    expected = sha256(secret.get_secret_value().encode()).digest()

    async def check(request: Request) -> None:
        given = sha256(read_bearer(request).encode()).digest()
        if not hmac.compare_digest(given, expected):
            raise unauthorized("token_invalid", "This address is for the other services.")

    return check


def internal_headers(secret: SecretStr) -> dict[str, str]:
    """Give the headers with which a service shows the internal credential to another."""
    return {"Authorization": f"Bearer {secret.get_secret_value()}"}
