"""Our side of the talk with an issuer: where to send a browser, and what its code is worth."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import structlog
from pydantic import SecretStr

from services.approval.oidc.discovery import Metadata, discover, fetch_object
from services.approval.oidc.faults import IssuerFault
from services.approval.oidc.id_tokens import judge
from services.approval.oidc.keys import IssuerKeys
from services.approval.oidc.secrets import Flow, unseal
from services.approval.store.issuers import Issuer

METADATA_SECONDS: Final = 600.0
# An issuer that just failed is not asked again for each who tries.
FAILED_SECONDS: Final = 2.0
_MOST_KNOWN: Final = 1000
_OK: Final = 200
_WITH_SECRET: Final = frozenset({"client_secret_basic", "client_secret_post"})
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """What is known of one issuer, and until when."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    metadata: Metadata | None = None
    fault: IssuerFault | None = None
    until: float = float("-inf")
    keys: IssuerKeys | None = None


class RelyingParty:
    """Signs people in at issuers. One for the process: it keeps what issuers publish, for minutes."""

    def __init__(
        self, client: httpx.AsyncClient, internal: SecretStr, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._internal = internal
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def look_at(self, issuer: str, algorithm: str, *, with_secret: bool) -> None:
        """Check that one could sign in at an issuer. Raises IssuerFault, which names the field."""
        metadata = await discover(self._client, issuer, algorithm)
        if with_secret and _WITH_SECRET.isdisjoint(metadata.token_endpoint_auth_methods_supported):
            raise IssuerFault("issuer_unsuitable", "The issuer takes no client secret.", field="client_secret")

    def flow(self, state: str) -> Flow:
        """Give what belongs to a sign-in."""
        return Flow(self._internal, state)

    async def authorization_url(self, issuer: Issuer, flow: Flow, *, redirect_uri: str, silent: bool) -> str:
        """Say where to send a browser (Core 1.0, 3.1.2.1). Raises IssuerFault."""
        metadata = await self._metadata(issuer)
        query = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        if silent:
            query["prompt"] = "none"
        address = metadata.authorization_endpoint
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"

    async def check_sender(self, issuer: Issuer, said: str | None) -> None:
        """Check that an answer came from the issuer that was asked, where it says so (RFC 9207, 2.4). Raises IssuerFault."""
        metadata = await self._metadata(issuer)
        if said is None and not metadata.authorization_response_iss_parameter_supported:
            return
        if said != issuer.issuer:
            raise IssuerFault("another_issuer", "The answer came from another issuer than the one that was asked.")

    async def redeem(self, issuer: Issuer, flow: Flow, code: str, *, redirect_uri: str) -> Mapping[str, Any]:
        """Exchange a code for the issuer's word about somebody: the claims of a judged ID token. Raises IssuerFault.

        What the token leaves out of address and groups is asked at the UserInfo endpoint, where there is one.
        """
        metadata = await self._metadata(issuer)
        tokens = await self._tokens(issuer, metadata, flow, code, redirect_uri)
        claims = await judge(
            tokens.get("id_token"),
            self._keys(issuer, metadata),
            issuer=issuer.issuer,
            client_id=issuer.client_id,
            nonce=flow.nonce,
            now=time.time(),
        )
        access_token = tokens.get("access_token")
        if metadata.userinfo_endpoint is None or not isinstance(access_token, str):
            return claims
        if "email" in claims and issuer.group_claim in claims:
            return claims
        return await self._userinfo(metadata.userinfo_endpoint, access_token, claims) | claims

    async def _tokens(
        self, issuer: Issuer, metadata: Metadata, flow: Flow, code: str, redirect_uri: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": flow.verifier,
        }
        auth: httpx.Auth | None = None
        if issuer.sealed_secret is None:
            form["client_id"] = issuer.client_id
        else:
            secret = unseal(self._internal, issuer.id, issuer.sealed_secret)
            if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
                # RFC 6749, 2.3.1: both are form-encoded first.
                auth = httpx.BasicAuth(quote(issuer.client_id, safe=""), quote(secret, safe=""))
            else:
                form |= {"client_id": issuer.client_id, "client_secret": secret}
        headers = {"accept": "application/json"}
        status, content = await fetch_object(
            self._client, "POST", metadata.token_endpoint, data=form, auth=auth, headers=headers
        )
        if status != _OK:
            said = str(content.get("error", ""))[:100]
            _log.warning("code not exchanged", issuer=issuer.issuer, status=status, error=said)
            raise IssuerFault(
                "code_refused", f"The issuer does not accept our exchange of its code ({said or status}). Try again."
            )
        return content

    async def _userinfo(self, url: str, access_token: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        if not access_token.isascii() or not access_token.isprintable():
            raise IssuerFault("token_malformed", "The issuer's access token cannot be used.")
        headers = {"accept": "application/json", "authorization": f"Bearer {access_token}"}
        status, content = await fetch_object(self._client, "GET", url, headers=headers)
        if status != _OK:
            raise IssuerFault("issuer_unavailable", f"{url} answers {status}.")
        # Core 1.0, 5.3.2: else it may be anybody's.
        if content.get("sub") != claims["sub"]:
            raise IssuerFault("wrong_subject", "The issuer's UserInfo endpoint speaks of somebody else.")
        return content

    async def _metadata(self, issuer: Issuer) -> Metadata:
        known = self._known.setdefault(issuer.id, _Known())
        self._known.move_to_end(issuer.id)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        async with known.asking:
            if self._clock() >= known.until:
                known.metadata = known.fault = None
                try:
                    known.metadata = await discover(self._client, issuer.issuer, issuer.algorithm)
                    known.until = self._clock() + METADATA_SECONDS
                except IssuerFault as fault:
                    known.fault = fault
                    known.until = self._clock() + FAILED_SECONDS
        if known.metadata is None:
            assert known.fault is not None
            raise IssuerFault(known.fault.code, known.fault.detail, field=known.fault.field)
        return known.metadata

    def _keys(self, issuer: Issuer, metadata: Metadata) -> IssuerKeys:
        known = self._known.setdefault(issuer.id, _Known())
        if known.keys is None or known.keys.url != metadata.jwks_uri:
            known.keys = IssuerKeys(metadata.jwks_uri, issuer.algorithm, self._client)
        return known.keys
