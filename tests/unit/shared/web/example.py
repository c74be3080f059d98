"""A small service to call: each kind of route once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
from fastapi import FastAPI, Request, Security
from pydantic import Field, SecretStr

from shared.security.bearer import bearer_token, internal_caller, session_caller
from shared.security.tokens import Session, TokenVerifier
from shared.settings import Settings
from shared.web.answers import answer
from shared.web.app import make_app
from shared.web.bodies import Router, form_fields, takes_form
from shared.web.fields import Body, Duration, EventId, Name, Operation, ResourceId, TenantId, Text4K, Timestamp
from shared.web.health import Check
from shared.web.paging import Cursor, Limit, decode_cursor, page
from shared.web.problems import Problem, refuses

SECRET = SecretStr("0123456789abcdef0123456789abcdef")
ID = "0193f2a0-0000-7000-8000-000000000000"


def example_settings(**values: Any) -> Settings:
    given: dict[str, Any] = {
        "database_url": "postgresql://approval:pw@127.0.0.1:1/approval",
        "amqp_url": "amqp://approval:pw@127.0.0.1:1/lockbox",
        "internal_secret": SECRET.get_secret_value(),
        "token_key_file": Path("key.pem"),
    }
    return Settings(**(given | values))


class Resource(Body):
    id: ResourceId
    operations: Annotated[list[Operation], Field(min_length=1, max_length=20)]


class Reason(Body):
    category: Literal["customer_support", "security_incident"]
    detail: Text4K


class Submission(Body):
    tenant: TenantId
    ticket: Name
    reason: Reason
    resources: Annotated[list[Resource], Field(min_length=1, max_length=100)]
    duration: Duration
    starts_at: Timestamp | None = None
    urgent: bool = False


class Comment(Body):
    comment: Text4K | None = None


router = Router()


@router.post("/v1/requests", status_code=201, responses=refuses({409: "`already_made`"}))
async def submit(body: Submission) -> Any:
    return answer(body.model_dump(), 201)


@router.get("/v1/requests")
async def list_requests(cursor: Cursor = None, limit: Limit = 100, state: str | None = None) -> Any:
    position = decode_cursor(cursor, str, int) if cursor else None
    return answer(page([position, limit, state], None))


@router.post("/v1/requests/{id}/approve")
async def approve(id: EventId, token: Annotated[str, Security(bearer_token)], body: Comment | None = None) -> Any:  # noqa: A002
    return answer({"id": id, "token": token, "comment": body.comment if body else None})


@router.post("/v1/requests/{id}/withdraw")
async def withdraw(id: EventId) -> Any:  # noqa: A002
    return answer({"id": id})


@router.post("/v1/token")
@takes_form
async def token(request: Request) -> Any:
    return answer(await form_fields(request))


@router.post("/internal/thing", dependencies=[Security(internal_caller(SECRET))])
async def internal() -> Any:
    return answer({"done": True})


FAULTS: dict[str, Exception] = {}


VERIFIERS: dict[str, TokenVerifier[Session]] = {}


@router.get("/v1/me")
async def me(session: Annotated[Session, Security(session_caller(lambda: VERIFIERS["session"]))]) -> Any:
    return answer({"email": session.email, "realm": session.realm})


@router.get("/fault/{name}")
async def fault(name: str) -> Any:
    raise FAULTS[name]


@router.get("/refused")
async def refused() -> Any:
    raise Problem(403, "out_of_scope", "Ask for it.", action_id=ID)


def example_app(checks: dict[str, Check] | None = None) -> FastAPI:
    return make_app("approval", example_settings(), title="An example", routers=[router], checks=checks)


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Call the app without a server; what it raises past its edge is raised here."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://approval") as client:
        yield client
