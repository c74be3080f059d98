"""Requests: submit, list, show, withdraw, answer."""

from functools import partial
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import AfterValidator, Field

from services.request_api.api.callers import OnCollection, OnOne
from services.request_api.commands.callers import admitted
from services.request_api.commands.change import Change, change
from services.request_api.commands.submit import Submit
from services.request_api.core import core_of
from services.request_api.domain import requests as decisions
from services.request_api.domain.people import OVERSEERS, admit, sees
from services.request_api.domain.submission import Submission
from services.request_api.store import requests
from shared.database.pool import clock, transaction
from shared.events.envelope import new_id
from shared.events.values import Category, Reason, Resource
from shared.lifecycle import RequestView, State
from shared.security.tokens import Session
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import (
    Body,
    Duration,
    EventId,
    Name,
    Operation,
    ResourceId,
    TenantId,
    Text4K,
    Timestamp,
)
from shared.web.idempotency import DOCUMENTED, Claim, IdempotencyKey, claim_of, idempotency_key
from shared.web.paging import Cursor, Limit, Page, decode_id, encode_cursor, page
from shared.web.problems import forbidden, not_found, refuses

MOST_RESOURCES = 100
MOST_OPERATIONS = 20


def _each_once(operations: list[str]) -> list[str]:
    if len(set(operations)) != len(operations):
        raise ValueError("must name each operation once")
    return operations


class ReasonBody(Body):
    category: Category
    detail: Text4K


class ResourceBody(Body):
    id: ResourceId
    operations: Annotated[list[Operation], Field(min_length=1, max_length=MOST_OPERATIONS), AfterValidator(_each_once)]


def _each_resource_once(resources: list[ResourceBody]) -> list[ResourceBody]:
    if len({resource.id for resource in resources}) != len(resources):
        raise ValueError("must name each resource once")
    return resources


class SubmitBody(Body):
    """What an engineer asks for. `starts_at`: not before this instant; `extends`: an own request of the same tenant."""

    tenant: TenantId
    service: Name
    ticket: Name
    reason: ReasonBody
    resources: Annotated[
        list[ResourceBody], Field(min_length=1, max_length=MOST_RESOURCES), AfterValidator(_each_resource_once)
    ]
    duration: Duration
    starts_at: Timestamp | None = None
    extends: EventId | None = None

    def asked(self) -> Submission:
        return Submission(
            tenant=self.tenant,
            service=self.service,
            ticket=self.ticket,
            reason=Reason(category=self.reason.category, detail=self.reason.detail),
            resources=[Resource(id=one.id, operations=one.operations) for one in self.resources],
            duration=self.duration,
            starts_at=self.starts_at,
            extends=self.extends,
        )


class AnswerBody(Body):
    text: Text4K


router = Router(prefix="/v1/requests", tags=["requests"])

_UNKNOWN = "`state_unknown`: an event about you or the tenant could not be read"


async def session_claim(request: Request, session: Session, key: str | None) -> Claim | None:
    """Make the claim of a call under a session."""
    return await claim_of(request, key, caller=f"provider:{session.subject}", digest=core_of(request).digest)


@router.post(
    "",
    status_code=201,
    response_model=RequestView,
    summary="Ask for access to a customer's data",
    responses=refuses(
        {
            403: "`provider_only`, `forbidden`: takes the role engineer or manager",
            422: "`invalid_request`, `unknown_tenant`, `service_not_covered`, `duration_too_long`, `idempotency_conflict`",
            503: f"`unavailable`, {_UNKNOWN}",
        }
    ),
    openapi_extra=dict(DOCUMENTED),
)
async def submit_request(request: Request, body: SubmitBody, session: OnCollection) -> Any:
    command = Submit(
        session=session,
        asked=body.asked(),
        size=len(await request.body()),
        request_id=new_id(),
        claim=await session_claim(request, session, await idempotency_key(request)),
    )
    return (await core_of(request).submissions.submit(command)).response()


@router.get(
    "",
    response_model=Page[RequestView],
    summary="List requests, the newest first: an engineer his own, managers and auditors all",
    responses=refuses({403: "`provider_only`, `forbidden`: takes the role engineer, manager or auditor"}),
)
async def list_requests(
    request: Request,
    session: OnCollection,
    state: Annotated[State | None, Query(description="Only those in this state now.")] = None,
    tenant: Annotated[TenantId | None, Query(description="Only those for this tenant.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Any:
    before = None if cursor is None else decode_id(cursor)
    async with transaction(core_of(request).pool) as connection:
        member = await admitted(connection, session, admit)
        oversees = not member.roles.isdisjoint(OVERSEERS)
        if not oversees and not member.may_ask:
            raise forbidden("This takes the role engineer, manager or auditor.")
        rows = await requests.listed(
            connection,
            engineer_id=None if oversees else member.id,
            tenant=tenant,
            state=state,
            before=before,
            limit=limit + 1,
        )
        now = await clock(connection)
    shown = rows[:limit]
    views = [row.state.view(now) for row in shown]
    return answer(page(views, encode_cursor(shown[-1].id) if len(rows) > limit else None))


@router.get("/{id}", response_model=RequestView, summary="Show a request")
async def show_request(request: Request, id: EventId, session: OnOne) -> Any:  # noqa: A002 - The contract's name.
    async with transaction(core_of(request).pool) as connection:
        member = await admitted(connection, session, admit)
        row = await requests.read(connection, id)
        if row is None or not sees(member, row.engineer_id):
            raise not_found()
        now = await clock(connection)
    return answer(row.state.view(now))


@router.post(
    "/{id}/withdraw",
    response_model=RequestView,
    summary="Take a request back, until a token was issued",
    responses=refuses(
        {
            403: "`forbidden`: only the one who asked",
            409: "`use_release` once a token was issued, `already_decided`, `decision_window_closed`, `access_ended`",
        }
    ),
    openapi_extra=dict(DOCUMENTED),
)
async def withdraw_request(request: Request, id: EventId, session: OnOne, key: IdempotencyKey) -> Any:  # noqa: A002
    command = Change(
        session=session,
        find=partial(requests.lock, request_id=id),
        decide=decisions.withdraw,
        claim=await session_claim(request, session, key),
    )
    return (await change(core_of(request).pool, command)).response()


@router.post(
    "/{id}/answers",
    response_model=RequestView,
    summary="Answer an approver's question",
    responses=refuses(
        {
            403: "`forbidden`: only the one who asked",
            409: "`already_decided`, `decision_window_closed`, `too_many_answers`",
        }
    ),
    openapi_extra=dict(DOCUMENTED),
)
async def answer_question(
    request: Request,
    id: EventId,  # noqa: A002 - The contract's name.
    body: AnswerBody,
    session: OnOne,
    key: IdempotencyKey,
) -> Any:
    command = Change(
        session=session,
        find=partial(requests.lock, request_id=id),
        decide=lambda state, by, now: decisions.answer(state, body.text, by, now),
        claim=await session_claim(request, session, key),
    )
    return (await change(core_of(request).pool, command)).response()
