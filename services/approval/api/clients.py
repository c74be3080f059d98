"""A realm's machine clients, and the tokens that they fetch (OAuth 2.0 client credentials, RFC 6749, 4.4)."""

import base64
import binascii
import hmac
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_plus

from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, Field

from services.approval.actions.clients import CreateClient, RevokeClient, shown
from services.approval.administering import administer
from services.approval.callers import Caller, Claimed, SignedIn
from services.approval.domain import membership
from services.approval.one_time import client_digest
from services.approval.parts import Parts, Standing
from services.approval.store import clients
from services.approval.store.clients import Client
from shared.database.pool import ACQUIRE_SECONDS, clock
from shared.events.envelope import new_id
from shared.security.tokens import issue_client
from shared.web.answers import answer
from shared.web.bodies import Router, form_fields, takes_form
from shared.web.fields import Body, EventId, Name, Realm, Timestamp, parse_id
from shared.web.idempotency import DOCUMENTED
from shared.web.paging import Cursor, Limit, Page, decode_id, encode_cursor, page
from shared.web.problems import Problem, forbidden, not_found, refuses

router = Router(tags=["clients"])

Scope = Literal["audit:read"]
_GRANT: Final = "client_credentials"
_LONGEST: Final = 512
# RFC 6749, 5.1.
_NOT_KEPT: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_FIELD: Final = {"type": "string", "maxLength": _LONGEST}
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": [_GRANT]},
                        "client_id": _FIELD,
                        "client_secret": _FIELD,
                        "scope": _FIELD,
                    },
                    "description": "id and secret here, or as HTTP Basic (RFC 6749, 2.3.1)",
                }
            }
        },
    }
}


def _each_once(scopes: list[Scope]) -> list[Scope]:
    if len(set(scopes)) < len(scopes):
        raise ValueError("must not name a scope twice")
    return scopes


class NewClient(Body):
    """`audit:read` lets it read the realm's log; a provider's client reads every log."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10), AfterValidator(_each_once)]


class ClientView(BaseModel):
    id: str
    name: str
    scopes: list[str]
    created_at: Timestamp


class ClientMade(ClientView):
    """`secret` is shown this once."""

    secret: str


class TokenAnswer(BaseModel):
    access_token: str
    token_type: str
    expires_in: int
    scope: str


def _see(caller: Caller, realm: str) -> None:
    if caller.member.realm != realm:
        raise not_found()
    if caller.member.known_roles.isdisjoint(membership.CLIENT_READERS):
        raise forbidden("Clients are listed by who assigns the realm's roles, its approvers and its auditors.")


@router.get(
    "/v1/tenants/{realm}/clients",
    summary="The realm's machine clients, newest first",
    response_model=Page[ClientView],
    responses=refuses({403: "`forbidden`"}),
)
async def list_clients(
    realm: Realm, caller: SignedIn, parts: Standing, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    _see(caller, realm)
    before = None if cursor is None else decode_id(cursor)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await clients.listed(connection, realm, before=before, limit=limit + 1)
    following = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return answer(page([shown(one) for one in found[:limit]], following))


@router.post(
    "/v1/tenants/{realm}/clients",
    summary="Make a machine client; its secret is shown this once",
    status_code=201,
    response_model=ClientMade,
    responses=refuses({403: "`forbidden`", 409: "`already_made`"}),
    openapi_extra=DOCUMENTED,
)
async def create_client(realm: Realm, body: NewClient, caller: SignedIn, parts: Standing, claim: Claimed) -> Response:
    action = CreateClient(id=new_id(), name=body.name, scopes=tuple(body.scopes))
    return await administer(parts, caller, realm, action, claim)


@router.delete(
    "/v1/tenants/{realm}/clients/{client_id}",
    summary="End a machine client and its tokens at once",
    status_code=204,
    responses=refuses({403: "`forbidden`"}),
)
async def revoke_client(realm: Realm, client_id: EventId, caller: SignedIn, parts: Standing) -> Response:
    return await administer(parts, caller, realm, RevokeClient(id=client_id))


@router.post(
    "/v1/token",
    summary="Fetch a client's token (OAuth 2.0 client credentials)",
    response_model=TokenAnswer,
    responses=refuses(
        {
            400: "`invalid_request`, `unsupported_grant_type`, `invalid_scope` (RFC 6749, 5.2)",
            401: "`invalid_client`: id or secret is wrong, or the client was revoked",
            413: "`body_too_large`: over 64 KiB",
            415: "`unsupported_media_type`: not a form",
        }
    ),
    openapi_extra=_FORM,
)
@takes_form
async def fetch_token(request: Request, parts: Standing) -> Response:
    fields = await form_fields(request)
    grant = fields.get("grant_type")
    if grant is None:
        raise _refused("invalid_request", "Send grant_type=client_credentials.")
    if grant != _GRANT:
        raise _refused("unsupported_grant_type", "Only grant_type=client_credentials is taken here.")
    client_id, secret, basic = _credentials(request, fields)
    client = await _known(parts, client_id, secret)
    if client is None:
        # The same for an unknown id, a wrong secret and a revoked client.
        raise _unknown(basic=basic)
    scope = _scope(fields.get("scope"), client)
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        now = await clock(connection)
    lifetime = parts.settings.session_lifetime
    token = issue_client(
        parts.signing,
        client_id=client.id,
        realm=client.realm,
        scope=scope,
        token_id=new_id(),
        now=now,
        lifetime=lifetime,
    )
    content = TokenAnswer(
        access_token=token,
        token_type="Bearer",  # noqa: S106 - A kind, no secret.
        expires_in=int(lifetime.total_seconds()),
        scope=scope,
    )
    return answer(content, headers=_NOT_KEPT)


def _credentials(request: Request, fields: dict[str, str]) -> tuple[str, str, bool]:
    """Read id and secret, from the form or from HTTP Basic, and which of both it was. Raises Problem."""
    headers = request.headers.getlist("authorization")
    if not headers:
        return fields.get("client_id", ""), fields.get("client_secret", ""), False
    kind, _, encoded = headers[0].partition(" ")
    if len(headers) > 1 or kind.lower() != "basic" or "client_secret" in fields:
        raise _refused("invalid_request", "Send id and secret in one way: in the form, or as HTTP Basic.")
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _unknown(basic=True) from None
    if not colon or fields.get("client_id", unquote_plus(name)) != unquote_plus(name):
        raise _unknown(basic=True)
    return unquote_plus(name), unquote_plus(secret), True


async def _known(parts: Parts, client_id: str, secret: str) -> Client | None:
    """Return the client whose id and secret these are."""
    try:
        client_id = parse_id(client_id)
    except ValueError:
        return None
    async with parts.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
        found = await clients.with_digest(connection, client_id)
    given = client_digest(parts.settings, client_id=client_id, secret=secret)
    client, stored = (None, b"") if found is None else found
    return client if hmac.compare_digest(given, stored) else None


def _scope(wanted: str | None, client: Client) -> str:
    """Give the scope of a token: what is asked for, at most what the client has. Raises Problem."""
    asked = client.scopes if wanted is None else wanted.split()
    if not asked or not set(asked) <= set(client.scopes):
        raise _refused("invalid_scope", f"This client has the scope {' '.join(client.scopes)}.")
    return " ".join(sorted(set(asked)))


def _refused(code: str, detail: str) -> Problem:
    return Problem(400, code, detail, headers=_NOT_KEPT, error=code, error_description=detail)


def _unknown(*, basic: bool) -> Problem:
    code, detail = "invalid_client", "The client's id or secret is wrong, or it was revoked."
    challenge = {"WWW-Authenticate": 'Basic realm="lockbox", charset="UTF-8"' if basic else "Bearer"}
    return Problem(401, code, detail, headers=_NOT_KEPT | challenge, error=code, error_description=detail)
