"""Grants: their tokens, the keys of these, and their release."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel

from services.request_api.api.callers import OnOne
from services.request_api.api.requests import session_claim
from services.request_api.commands.change import Change, change
from services.request_api.commands.issue import issue
from services.request_api.core import core_of
from services.request_api.domain import requests as decisions
from services.request_api.store import requests
from shared.lifecycle import RequestView
from shared.security.keys import public_jwks
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import EventId
from shared.web.idempotency import DOCUMENTED, IdempotencyKey
from shared.web.problems import refuses


class LogView(BaseModel):
    """Where the approval stands: the log's name, the index there, and the number of leaves that the log had."""

    origin: str
    index: int
    size: int


class TokenView(BaseModel):
    token: str
    grant_id: str
    access_until: datetime
    log: LogView


router = Router(tags=["grants"])


@router.post(
    "/v1/requests/{id}/token",
    status_code=201,
    response_model=TokenView,
    summary="Fetch a grant token, a new one each time",
    description="Waits up to five seconds for the approval to be in the log: no proof, no access.",
    responses=refuses(
        {
            403: "`forbidden`: only the one who asked",
            409: "`not_approved`, `not_started`, `access_ended`",
            503: "`proof_unavailable`, `state_unknown`, `unavailable`; Retry-After says when to try again",
        }
    ),
)
async def issue_token(request: Request, id: EventId, session: OnOne) -> Any:  # noqa: A002 - The contract's name.
    core = core_of(request)
    issued = await issue(core.pool, core.proofs, core.grant_key, session, id)
    log = {"origin": issued.log.origin, "index": issued.log.index, "size": issued.log.size}
    body = {"token": issued.token, "grant_id": issued.grant_id, "access_until": issued.access_until, "log": log}
    return answer(body, 201, {"Cache-Control": "no-store"})


@router.post(
    "/v1/grants/{grant_id}/release",
    response_model=RequestView,
    summary="Give a grant back before its time is over",
    responses=refuses({403: "`forbidden`: only the one who asked", 409: "`access_ended`"}),
    openapi_extra=dict(DOCUMENTED),
)
async def release_grant(
    request: Request, grant_id: Annotated[EventId, Path()], session: OnOne, key: IdempotencyKey
) -> Any:
    command = Change(
        session=session,
        find=partial(requests.lock_grant, grant_id=grant_id),
        decide=decisions.release,
        claim=await session_claim(request, session, key),
    )
    return (await change(core_of(request).pool, command)).response()


@router.get("/.well-known/jwks.json", summary="The keys that sign grant tokens", tags=["keys"])
async def jwks(request: Request) -> Any:
    return answer(public_jwks([core_of(request).grant_key]), headers={"Cache-Control": "public, max-age=300"})
