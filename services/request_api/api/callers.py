"""Who calls: a session of the provider's realm, or a grant token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from prometheus_client import Counter

from services.request_api.core import core_of
from services.request_api.domain.tokens import token_id
from shared.events.envelope import PROVIDER
from shared.observability.metrics import REGISTRY
from shared.security.bearer import read_bearer
from shared.security.tokens import Grant, InvalidToken, Session
from shared.web.problems import Problem, forbidden, not_found

_REFUSED_TOKENS = Counter(
    "lockbox_grant_tokens_refused", "Grant tokens that nobody here signed.", ["code"], registry=REGISTRY
)


class _ProviderSession(SecurityBase):
    """Dependency: the session of one of the provider's people; `refuse` makes what a tenant's people get.

    One dependency and not a chain of them, for it stands before every call.
    """

    def __init__(self, refuse: Callable[[], Problem]) -> None:
        self.model = HTTPBearer(description="The access_token of POST /v1/sessions.")
        self.scheme_name = "session"
        self._refuse = refuse

    async def __call__(self, request: Request) -> Session:
        session = await core_of(request).sessions.verify(read_bearer(request))
        if session.realm != PROVIDER:
            raise self._refuse()
        return session


def _provider_only() -> Problem:
    return forbidden("This is for the provider's people; customers use approval and audit.", "provider_only")


OnCollection = Annotated[Session, Security(_ProviderSession(_provider_only))]
"""The session of a call on a collection: 403 `provider_only` for a tenant's people."""
OnOne = Annotated[Session, Security(_ProviderSession(not_found))]
"""The session of a call on one thing by its id: 404 for a tenant's people, who may see none."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A grant token that we signed, which may have expired: then the refusal is still recorded."""

    grant: Grant
    token_id: str
    expired: bool

    @property
    def caller(self) -> str:
        """Whom an idempotency key counts for."""
        return f"grant:{self.grant.grant_id}"


class _GrantToken(SecurityBase):
    """Dependency: a grant token that we signed. Raises 401 `token_invalid` for any other."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="The token of POST /v1/requests/{id}/token.")
        self.scheme_name = "grant"

    async def __call__(self, request: Request) -> Presented:
        token = read_bearer(request)
        try:
            grant = await core_of(request).grants.verify(token)
        except InvalidToken as error:
            if error.code == "expired" and isinstance(error.claims, Grant):
                return Presented(error.claims, token_id(token), expired=True)
            _REFUSED_TOKENS.labels(error.code).inc()
            raise
        return Presented(grant, token_id(token), expired=False)


UnderGrant = Annotated[Presented, Security(_GrantToken())]
"""The grant token of a call."""
