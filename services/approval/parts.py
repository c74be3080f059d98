"""What the routes of a running service stand on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from joserfc.jwk import OKPKey

from services.approval.oidc.relying_party import RelyingParty
from shared.database.pool import Pool
from shared.security.tokens import Session, TokenVerifier
from shared.settings import Settings
from shared.web.idempotency import BodyDigest

SERVICE = "approval"


@dataclass(frozen=True, slots=True)
class Parts:
    """`signing` signs sessions, `verifier` accepts them; `digest` compares the bodies of repeated calls.

    `relying` signs people in at their tenant's issuers.
    """

    pool: Pool
    settings: Settings
    signing: OKPKey
    verifier: TokenVerifier[Session]
    digest: BodyDigest
    relying: RelyingParty

    @property
    def offered(self) -> Mapping[str, frozenset[str]]:
        """The provider's catalogue: each covered service with the parts that it excludes."""
        return {service.id: frozenset(service.excludes) for service in self.settings.catalogue}


async def parts_of(request: Request) -> Parts:
    """Dependency: the parts, which are there once the lifespan has begun. Async, since FastAPI hands all else to a thread."""
    parts: Parts = request.app.state.parts
    return parts


Standing = Annotated[Parts, Depends(parts_of)]
"""What a route stands on: `parts: Standing`."""
