"""What the routes stand on once the service runs."""

from dataclasses import dataclass

from fastapi import Request
from joserfc.jwk import OKPKey

from services.request_api.commands.act import Actions
from services.request_api.commands.submit import Submissions
from services.request_api.proofs import Proofs
from shared.database.pool import Pool
from shared.security.tokens import Grant, Session, TokenVerifier
from shared.web.idempotency import BodyDigest


@dataclass(frozen=True, slots=True)
class Core:
    pool: Pool
    sessions: TokenVerifier[Session]
    grants: TokenVerifier[Grant]
    grant_key: OKPKey
    digest: BodyDigest
    proofs: Proofs
    submissions: Submissions
    actions: Actions


def core_of(request: Request) -> Core:
    """Give what the lifespan has put there."""
    core: Core = request.app.state.core
    return core
