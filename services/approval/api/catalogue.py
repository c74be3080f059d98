"""The services covered, and what of them is not."""

from fastapi import Response
from pydantic import BaseModel

from services.approval.callers import SignedIn
from services.approval.parts import Standing
from services.approval.store import tenants
from shared.database.pool import ACQUIRE_SECONDS
from shared.events.envelope import PROVIDER
from shared.web.answers import answer
from shared.web.bodies import Router

router = Router(tags=["catalogue"])


class ServiceView(BaseModel):
    """`excludes` are its parts for which nobody can ask. `covered`: by the caller's tenant; null for the provider's people."""

    id: str
    name: str
    excludes: list[str]
    covered: bool | None


class Services(BaseModel):
    items: list[ServiceView]


@router.get(
    "/v1/services", summary="The services for which access can be asked, with what is excluded", response_model=Services
)
async def list_services(caller: SignedIn, parts: Standing) -> Response:
    covered = None
    if caller.member.realm != PROVIDER:
        async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            tenant = await tenants.find(connection, caller.member.realm)
        covered = [] if tenant is None else tenant.settings.services
    items = [
        ServiceView(
            id=service.id,
            name=service.name,
            excludes=list(service.excludes),
            covered=None if covered is None else service.id in covered,
        )
        for service in parts.settings.catalogue
    ]
    return answer(Services(items=items))
