"""The operator's way to dead letters, under the service credential: `lockbox dead list|show|replay` calls it."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import SecretStr

from shared.database.pool import transaction
from shared.messaging import dead_letters
from shared.messaging.dead_letters import NoSuchDeadLetter
from shared.messaging.inbox import Inbox
from shared.security.bearer import internal_caller
from shared.service import Service
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, Email
from shared.web.problems import not_found

Number = Annotated[int, Path(ge=1, lt=2**63, description="The dead letter's number.")]


class ReplayBody(Body):
    """Who replays it: the address of a human."""

    by: Email


def dead_letter_routes(secret: SecretStr, service: Callable[[], Service], inbox: Callable[[], Inbox]) -> APIRouter:
    """Make the routes; `service` and `inbox` give what runs once the lifespan has begun."""
    router = Router(
        prefix="/internal/dead-letters", dependencies=[Depends(internal_caller(secret))], include_in_schema=False
    )

    @router.get("")
    async def list_all() -> Any:
        async with transaction(service().pool) as connection:
            return answer(await dead_letters.listing(connection))

    @router.get("/{number}")
    async def show(number: Number) -> Any:
        async with transaction(service().pool) as connection:
            try:
                return answer(await dead_letters.show(connection, number))
            except NoSuchDeadLetter as error:
                raise not_found(str(error)) from None

    @router.post("/{number}/replay")
    async def replay(number: Number, body: ReplayBody) -> Any:
        try:
            result = await dead_letters.replay(service().pool, inbox(), number, by=body.by)
        except NoSuchDeadLetter as error:
            raise not_found(str(error)) from None
        return answer({"applied": result.applied, "waiting": result.waiting, "failed": result.failed})

    return router
