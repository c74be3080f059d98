"""What the other services and an operator ask, under the service credential. Such a read is no LogRead."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import SecretStr

from services.audit.api.parts import AuditPart
from services.audit.domain import leaves
from services.audit.store import events as store
from shared.security.bearer import internal_caller
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import EventId
from shared.web.problems import not_found

LONGEST_WAIT = 30


def internal_routes(secret: SecretStr) -> APIRouter:
    """Make the routes that are open to the other services alone."""
    router = Router(prefix="/internal/v1", dependencies=[Depends(internal_caller(secret))], include_in_schema=False)

    @router.get("/events/{event_id}")
    async def find_event(
        audit: AuditPart, event_id: EventId, wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0
    ) -> Response:
        """Say where an event stands in the log, once it is there; 404 when it is not there in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            grown = audit.growth.now()
            async with audit.connection() as connection:
                place = await store.place(connection, event_id)
            if place is not None:
                return answer(asdict(place) | {"origin": leaves.origin(audit.name, place.tenant)})
            left = deadline - loop.time()
            if left <= 0 or audit.stopping.is_set():
                raise not_found("The event is not in the log yet.")
            await audit.growth.wait(grown, left)

    @router.post("/projections/{name}/rebuild")
    async def rebuild(audit: AuditPart, name: str) -> Response:
        """Empty a projection and fill it from the log."""
        for projector in audit.projectors:
            if projector.name == name:
                return answer({"name": name, "position": await projector.rebuild()})
        raise not_found(f"There is no projection {name}; there are {', '.join(one.name for one in audit.projectors)}.")

    return router
