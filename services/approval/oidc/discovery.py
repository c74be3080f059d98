"""What an issuer says of itself (OpenID Connect Discovery 1.0): fetched, and checked before anything of it is used."""

import json
import ssl
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from services.approval.oidc.faults import IssuerFault
from shared.web.outgoing import NotAllowed

Algorithm = Literal["RS256", "PS256", "ES256", "EdDSA"]
ALGORITHMS: Final[frozenset[str]] = frozenset(get_args(Algorithm))
LONGEST_ADDRESS: Final = 512
_OK: Final = 200
_log = structlog.get_logger(__name__)


class Metadata(BaseModel):
    """An issuer's metadata, as far as it concerns us (Discovery 1.0, 3; RFC 8414, 2; RFC 9207, 3)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    response_types_supported: list[str]
    id_token_signing_alg_values_supported: list[str]
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    code_challenge_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


def check_address(text: str) -> str:
    """Check an address of an issuer's or of its endpoints. Raises ValueError, in words for its sender.

    Whether http will do depends on where the name leads; the client for outgoing calls judges that.
    """
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text or len(text) > LONGEST_ADDRESS:
        raise ValueError(f"must be an address in ASCII without spaces, at most {LONGEST_ADDRESS} characters")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("must be an address with a valid host and port, beginning with https://") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be an address that begins with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a name or password")
    if "#" in text:
        raise ValueError("must have no fragment")
    return text


def check_issuer(text: str) -> str:
    """Check the identifier of an issuer (Discovery 1.0, 3: no query, no fragment). Raises ValueError."""
    check_address(text)
    if "?" in text:
        raise ValueError("must have no query")
    return text


async def fetch_object(client: httpx.AsyncClient, method: str, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Call an issuer and give status and JSON object of its answer. Raises IssuerFault."""
    try:
        response = await client.request(method, url, **options)
    except NotAllowed as error:
        _log.warning("issuer not called", url=url, cause=str(error))
        # Which address it is would tell its sender about networks of ours.
        raise IssuerFault(
            "issuer_not_allowed",
            f"{url} must be called by https at a public address; others are for the provider to allow "
            "(LOCKBOX_OUTBOUND_ALLOW).",
        ) from None
    except (httpx.InvalidURL, UnicodeError):
        raise IssuerFault("issuer_malformed", f"{url} is no address.") from None
    except httpx.HTTPError as error:
        _log.warning("issuer not reached", url=url, cause=f"{type(error).__name__}: {error}")
        certificate = isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error)
        said = "has a certificate that is not accepted" if certificate else "does not answer"
        raise IssuerFault("issuer_unavailable", f"{url} {said}.") from None
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        if response.status_code != _OK:
            raise IssuerFault("issuer_unavailable", f"{url} answers {response.status_code}.")
        raise IssuerFault("issuer_malformed", f"{url} answers no JSON object.")
    return response.status_code, content


async def discover(client: httpx.AsyncClient, issuer: str, algorithm: str) -> Metadata:
    """Fetch an issuer's metadata, and refuse what we could not sign in with. Raises IssuerFault."""
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    status, content = await fetch_object(client, "GET", url)
    if status != _OK:
        raise IssuerFault("issuer_unavailable", f"{url} answers {status}.")
    try:
        metadata = Metadata.model_validate(content)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise IssuerFault("issuer_malformed", f"{url} has no usable {name}.") from None
    _check(metadata, issuer, algorithm, url)
    return metadata


def _check(metadata: Metadata, issuer: str, algorithm: str, url: str) -> None:
    # Byte for byte (Discovery 1.0, 4.3): it is the name under which its word counts.
    if metadata.issuer != issuer:
        said = metadata.issuer.encode("ascii", "backslashreplace").decode()[:LONGEST_ADDRESS]
        raise IssuerFault("issuer_differs", f"{url} speaks for {said}, not for {issuer}: write it exactly so.")
    schemes = {"https"} if issuer.startswith("https://") else {"https", "http"}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        address = getattr(metadata, name)
        if address is None:
            continue
        try:
            check_address(address)
        except ValueError as error:
            raise IssuerFault("issuer_malformed", f"{url}: {name} {error}.") from None
        if urlsplit(address).scheme not in schemes:
            raise IssuerFault("issuer_malformed", f"{url}: {name} must begin with https://.")
    if "code" not in metadata.response_types_supported:
        raise IssuerFault("issuer_unsuitable", f"{url} does not offer the response type code.")
    if (
        metadata.code_challenge_methods_supported is not None
        and "S256" not in metadata.code_challenge_methods_supported
    ):
        raise IssuerFault("issuer_unsuitable", f"{url} does not offer PKCE with S256.")
    offered = metadata.id_token_signing_alg_values_supported
    if algorithm not in offered:
        usable = ", ".join(sorted(ALGORITHMS.intersection(offered))) or "none of those that are accepted here"
        raise IssuerFault(
            "algorithm_not_offered",
            f"The issuer does not sign with {algorithm}; it offers {usable}.",
            field="algorithm",
        )
