"""A tenant's own OIDC issuers, and what a sign-in page needs to know of them."""

from base64 import b64encode
from typing import Annotated, Final

from fastapi import Response
from pydantic import AfterValidator, BaseModel, Field, SecretStr, WithJsonSchema

from services.approval.actions.issuers import CALLBACK, CHANGED_BY, AddIssuer, RemoveIssuer
from services.approval.administering import administer
from services.approval.callers import Caller, Claimed, SignedIn
from services.approval.deciding import problem_for
from services.approval.domain.refusals import Forbidden
from services.approval.oidc.discovery import Algorithm, check_issuer
from services.approval.oidc.faults import IssuerFault
from services.approval.oidc.secrets import seal
from services.approval.parts import Standing
from services.approval.store import issuers
from shared.database.pool import ACQUIRE_SECONDS, transaction
from shared.events.envelope import new_id
from shared.events.members import TenantRole
from shared.settings import portal_of
from shared.web.answers import answer
from shared.web.bodies import Router
from shared.web.fields import Body, EventId, Name, Realm, TenantId
from shared.web.idempotency import DOCUMENTED, claim_one
from shared.web.problems import invalid, not_found, refuses

router = Router(tags=["issuers"])

MOST_GROUPS: Final = 100

IssuerAddress = Annotated[
    str,
    AfterValidator(check_issuer),
    WithJsonSchema(
        {"type": "string", "format": "uri", "maxLength": 512, "examples": ["https://login.contoso.example"]}
    ),
]


class NewIssuer(Body):
    """`issuer` is its identifier, byte for byte as it names itself.

    `mapping` gives the role that members of a group have; `client_secret` is left out for a public client.
    """

    issuer: IssuerAddress
    name: Name
    client_id: Name
    client_secret: Annotated[
        SecretStr | None,
        Field(min_length=1, max_length=512),
        WithJsonSchema({"type": ["string", "null"], "format": "password", "minLength": 1, "maxLength": 512}),
    ] = None
    algorithm: Algorithm
    group_claim: Name = "groups"
    mapping: Annotated[dict[Name, TenantRole], Field(max_length=MOST_GROUPS)] = {}


class IssuerAnswer(BaseModel):
    """`redirect_uri` is what has to be registered at the issuer. Its secret is never shown."""

    id: str
    issuer: str
    name: str
    client_id: str
    algorithm: str
    group_claim: str
    mapping: dict[str, str]
    redirect_uri: str


class IssuersAnswer(BaseModel):
    items: list[IssuerAnswer]


class OfferedIssuer(BaseModel):
    id: str
    name: str


class OfferedIssuers(BaseModel):
    items: list[OfferedIssuer]


def _of(caller: Caller, tenant: str) -> None:
    if caller.member.realm != tenant:
        raise not_found()


@router.post(
    "/v1/tenants/{tenant_id}/issuers",
    summary="Trust an issuer; with more than one approval required, a change to be voted on",
    status_code=201,
    response_model=IssuerAnswer,
    responses={
        202: {"description": "A change that waits for votes"},
        **refuses(
            {
                403: "`forbidden`, `roles_stale`",
                409: "`issuer_exists`, `too_many_issuers`",
                422: "`invalid_request`: `errors` names the fields; also where the issuer does not answer as it must",
            }
        ),
    },
    openapi_extra=dict(DOCUMENTED),
)
async def add_issuer(
    tenant_id: TenantId,
    body: NewIssuer,
    caller: SignedIn,
    claim: Claimed,
    parts: Standing,
) -> Response:
    _of(caller, tenant_id)
    if "global_admin" not in caller.member.roles:
        # Nobody else makes this service call anything.
        raise problem_for(Forbidden(CHANGED_BY), caller.member)
    try:
        await parts.relying.look_at(body.issuer, body.algorithm, with_secret=body.client_secret is not None)
    except IssuerFault as fault:
        async with transaction(parts.pool) as connection:
            # A call that was made before gets its answer, also while the issuer is down.
            made = await claim_one(connection, claim)
            if made is not None:
                return made.response()
            raise invalid((fault.field, f"is not accepted: {fault.detail.rstrip('.')}")) from None
    issuer_id = new_id()
    sealed = None
    if body.client_secret is not None:
        internal = parts.settings.internal_secret
        sealed = b64encode(seal(internal, issuer_id, body.client_secret.get_secret_value())).decode()
    action = AddIssuer(
        id=issuer_id,
        issuer=body.issuer,
        name=body.name,
        client_id=body.client_id,
        sealed_secret=sealed,
        algorithm=body.algorithm,
        group_claim=body.group_claim,
        mapping=dict(body.mapping),
    )
    return await administer(parts, caller, tenant_id, action, claim)


@router.get(
    "/v1/tenants/{tenant_id}/issuers",
    summary="The issuers that a tenant trusts",
    response_model=IssuersAnswer,
    responses=refuses({403: "`forbidden`"}),
)
async def list_issuers(tenant_id: TenantId, caller: SignedIn, parts: Standing) -> Response:
    _of(caller, tenant_id)
    if not caller.member.known_roles:
        raise problem_for(Forbidden("Issuers are shown to the tenant's people with a role."))
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await issuers.of_tenant(connection, tenant_id)
    redirect_uri = portal_of(parts.settings) + CALLBACK
    return answer({"items": [one.view(redirect_uri) for one in found]})


@router.delete(
    "/v1/tenants/{tenant_id}/issuers/{issuer_id}",
    summary="Trust an issuer no longer; its sessions and roles end",
    status_code=204,
    responses=refuses({403: "`forbidden`, `roles_stale`", 409: "`too_few_approvers`"}),
)
async def remove_issuer(tenant_id: TenantId, issuer_id: EventId, caller: SignedIn, parts: Standing) -> Response:
    return await administer(parts, caller, tenant_id, RemoveIssuer(id=issuer_id))


@router.get(
    "/v1/realms/{realm}/issuers",
    summary="Where a realm's people can sign in beside here; nothing for a realm that does not exist",
    response_model=OfferedIssuers,
)
async def offered_issuers(realm: Realm, parts: Standing) -> Response:
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await issuers.of_tenant(connection, realm)
    return answer({"items": [{"id": one.id, "name": one.name} for one in found]})
