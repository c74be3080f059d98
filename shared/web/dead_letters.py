"""The operator's way to dead letters, under the service credential: `lockbox dead list|show|replay` calls it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import SecretStr

from shared.database.pool import transaction
from shared.messaging import dead_letters
from shared.messaging.dead_letters import NoSuchDeadLetter
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


def dead_letter_routes(secret: SecretStr) -> APIRouter:
    """Make the routes. They work on `app.state.running`, the Service that the app's lifespan started."""
    router = Router(
        prefix="/internal/dead-letters", dependencies=[Depends(internal_caller(secret))], include_in_schema=False
    )

    @router.get("")
    async def list_all(request: Request) -> Any:
        async with transaction(_running(request).pool) as connection:
            return answer(await dead_letters.listing(connection))

    @router.get("/{number}")
    async def show(number: Number, request: Request) -> Any:
        async with transaction(_running(request).pool) as connection:
            try:
                return answer(await dead_letters.show(connection, number))
            except NoSuchDeadLetter as error:
                raise not_found(str(error)) from None

    @router.post("/{number}/replay")
    async def replay(number: Number, body: ReplayBody, request: Request) -> Any:
        running = _running(request)
        assert running.inbox is not None, "a service with these routes has one"
        try:
            result = await dead_letters.replay(running.pool, running.inbox, number, by=body.by)
        except NoSuchDeadLetter as error:
            raise not_found(str(error)) from None
        return answer({"applied": result.applied, "waiting": result.waiting, "failed": result.failed})

    return router


def _running(request: Request) -> Service:
    found: Service = request.app.state.running
    return found
