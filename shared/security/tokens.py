"""Signed tokens: who is calling, never what he may do. Ed25519 alone, and on any doubt they are refused."""

import base64
import binascii
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

ALGORITHM: Final = "EdDSA"
SESSION_TYPE: Final = "at+jwt"
GRANT_TYPE: Final = "lockbox-grant+jwt"
SESSION_ISSUER: Final = "lockbox-approval"
GRANT_ISSUER: Final = "lockbox-request-api"
GATE: Final = "lockbox-gate"
SESSION_AUDIENCES: Final = ("lockbox-request-api", "lockbox-approval", "lockbox-audit")
# Machines read the log, and do nothing else.
CLIENT_AUDIENCES: Final = ("lockbox-audit",)
LONGEST_TOKEN: Final = 4096
_LATEST: Final = 253_402_300_799  # The year 9999.


class InvalidToken(Exception):
    """A token that is not accepted. `code` says why, for logs and tests; callers learn only the remedy.

    `claims` is what the token says where it was valid once (`expired`): whose refusal it is can be put on the record.
    """

    def __init__(self, code: str, claims: object = None) -> None:
        super().__init__(code)
        self.code = code
        self.claims = claims

    @property
    def remedy(self) -> str:
        """What the caller can do."""
        if self.code == "expired":
            return "The token has expired. Sign in again, or fetch a new one."
        return "The token is not valid here. Sign in again, or fetch a new one."


class KeysUnavailable(Exception):
    """The issuer's keys have never been fetched, so no token can be judged: answered with 503."""


class _Ed25519(EdDSAAlgorithm):
    # RFC 9864 deprecates the name EdDSA because it does not say which curve: our keys are of one curve, checked where
    # they are read.
    security_warning: str | None = None  # type: ignore[assignment]  # As the class above it has it.


class _Registry(JWSRegistry):
    algorithms = {ALGORITHM: _Ed25519()}
    recommended = [ALGORITHM]


_REGISTRY: Final = _Registry()


class KeySource(Protocol):
    """Where a verifier finds the issuer's public keys."""

    @property
    def generation(self) -> int:
        """Changes whenever a key may have gone."""

    async def key(self, kid: str) -> OKPKey | None:
        """Give the key of that id, or None when the issuer has no such key. Raises KeysUnavailable."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in. `realm` is `provider` or a tenant; what he may do stands in the service's own database."""

    subject: str
    realm: str
    email: str
    session_id: str
    issued_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class ClientToken:
    """Which machine is calling. `scopes` is what its token was made for; whether it still counts is known elsewhere."""

    subject: str
    realm: str
    scopes: frozenset[str]
    token_id: str
    issued_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Grant:
    """The grant for which a token was issued. `resources` is as granted; the live state of the grant decides."""

    subject: str
    grant_id: str
    tenant: str
    request_id: str
    resources: Sequence[Mapping[str, Any]]
    not_before: float
    expires_at: float


def _sign(key: OKPKey, kind: str, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": ALGORITHM, "typ": kind, "kid": key.kid}, claims, key, registry=_REGISTRY)


def issue_session(
    key: OKPKey,
    *,
    subject: str,
    realm: str,
    email: str,
    session_id: str,
    now: datetime,
    lifetime: timedelta,
    issuer: str = SESSION_ISSUER,
    audience: Sequence[str] = SESSION_AUDIENCES,
) -> str:
    """Sign a session's access token (RFC 9068), valid from `now` for `lifetime`. `subject` is the member's id.

    `iat` is to the microsecond: a session that begins right after all older ones were ended must not be taken for one of them.
    """
    claims = {
        "iss": issuer,
        "aud": list(audience),
        "sub": subject,
        "realm": realm,
        "email": email,
        "jti": session_id,
        "iat": now.timestamp(),
        "exp": int(now.timestamp()) + int(lifetime.total_seconds()),
    }
    return _sign(key, SESSION_TYPE, claims)


def issue_client(
    key: OKPKey, *, client_id: str, realm: str, scope: str, token_id: str, now: datetime, lifetime: timedelta
) -> str:
    """Sign a machine's access token (RFC 9068), valid from `now` for `lifetime`. `scope` is separated by spaces."""
    claims = {
        "iss": SESSION_ISSUER,
        "aud": list(CLIENT_AUDIENCES),
        "sub": client_id,
        "client_id": client_id,
        "realm": realm,
        "scope": scope,
        "jti": token_id,
        "iat": now.timestamp(),
        "exp": int(now.timestamp()) + int(lifetime.total_seconds()),
    }
    return _sign(key, SESSION_TYPE, claims)


def issue_grant(
    key: OKPKey,
    *,
    subject: str,
    grant_id: str,
    tenant: str,
    request_id: str,
    resources: Sequence[Mapping[str, Any]],
    now: datetime,
    not_before: datetime,
    expires: datetime,
    issuer: str = GRANT_ISSUER,
) -> str:
    """Sign a grant's token, valid from `not_before` until `expires`, both to the microsecond.

    `subject` is the engineer's id, `resources` a list of {"id", "operations"}.
    """
    claims = {
        "iss": issuer,
        "aud": [GATE],
        "sub": subject,
        "grant_id": grant_id,
        "tenant": tenant,
        "request_id": request_id,
        "resources": [dict(resource) for resource in resources],
        "iat": now.timestamp(),
        "nbf": not_before.timestamp(),
        "exp": expires.timestamp(),
    }
    return _sign(key, GRANT_TYPE, claims)


Claims = TypeVar("Claims")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidToken("claim_missing")
    return value


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    # A bool is an int to Python; NaN compares as neither before nor after.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise InvalidToken("claim_missing")
    return float(value)


def read_session(claims: Mapping[str, Any]) -> Session:
    """Read a session's claims. Raises InvalidToken where one is missing."""
    if "scope" in claims:
        raise InvalidToken("wrong_kind")
    return Session(
        subject=_text(claims, "sub"),
        realm=_text(claims, "realm"),
        email=_text(claims, "email"),
        session_id=_text(claims, "jti"),
        issued_at=_instant(claims, "iat"),
        expires_at=_instant(claims, "exp"),
    )


def read_reader(claims: Mapping[str, Any]) -> Session | ClientToken:
    """Read the claims of a person's session, or of a machine's token, which has a scope. Raises InvalidToken."""
    if "scope" not in claims:
        return read_session(claims)
    return ClientToken(
        subject=_text(claims, "sub"),
        realm=_text(claims, "realm"),
        scopes=frozenset(_text(claims, "scope").split()),
        token_id=_text(claims, "jti"),
        issued_at=_instant(claims, "iat"),
        expires_at=_instant(claims, "exp"),
    )


def read_grant(claims: Mapping[str, Any]) -> Grant:
    """Read a grant's claims. Raises InvalidToken where one is missing."""
    resources = claims.get("resources")
    if not isinstance(resources, list) or not all(isinstance(resource, dict) for resource in resources):
        raise InvalidToken("claim_missing")
    return Grant(
        subject=_text(claims, "sub"),
        grant_id=_text(claims, "grant_id"),
        tenant=_text(claims, "tenant"),
        request_id=_text(claims, "request_id"),
        resources=tuple(resources),
        not_before=_instant(claims, "nbf"),
        expires_at=_instant(claims, "exp"),
    )


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:  # noqa: PLR2004 - RFC 7515, 3.1
        raise InvalidToken("malformed")
    encoded = token.partition(".")[0]
    try:
        header = json.loads(base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidToken("malformed") from None
    if not isinstance(header, dict):
        raise InvalidToken("malformed")
    return header


class TokenVerifier(Generic[Claims]):
    """Accepts the tokens of one issuer, audience and type; remembers those accepted, by their hash, until they expire.

    The signature of a token is checked once; its times at each call, without leeway.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        typ: str,
        read: Callable[[Mapping[str, Any]], Claims],
        remember: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._typ = typ
        self._read = read
        self._remember = remember
        self._clock = clock
        self._generation = keys.generation
        self._accepted: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """Give the claims of a token that is valid now.

        Raises InvalidToken, or KeysUnavailable when no keys were ever had.
        """
        if self._generation != self._keys.generation:
            # A key may have been withdrawn, and with it what it signed.
            self._accepted.clear()
            self._generation = self._keys.generation
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._accepted.get(digest)
        if known is not None:
            expires_at, claims = known
            if self._clock() >= expires_at:
                del self._accepted[digest]
                raise InvalidToken("expired", claims)
            self._accepted.move_to_end(digest)
            return claims
        expires_at, claims = await self._judge(token)
        self._accepted[digest] = (expires_at, claims)
        if len(self._accepted) > self._remember:
            self._accepted.popitem(last=False)
        return claims

    async def _judge(self, token: str) -> tuple[float, Claims]:
        header = _header(token)
        if header.get("alg") != ALGORITHM:
            raise InvalidToken("wrong_algorithm")
        if header.get("typ") != self._typ:
            raise InvalidToken("wrong_type")
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise InvalidToken("key_unnamed")
        key = await self._keys.key(kid)
        if key is None:
            raise InvalidToken("unknown_key")
        try:
            claims = jwt.decode(token, key, registry=_REGISTRY).claims
        except (JoseError, ValueError, RecursionError):
            raise InvalidToken("bad_signature") from None
        if claims.get("iss") != self._issuer:
            raise InvalidToken("wrong_issuer")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise InvalidToken("wrong_audience")
        now = self._clock()
        expires_at = _instant(claims, "exp")
        if now >= expires_at:
            raise InvalidToken("expired", self._read(claims))
        if "nbf" in claims and now < _instant(claims, "nbf"):
            raise InvalidToken("not_yet_valid")
        return expires_at, self._read(claims)


def session_verifier(keys: KeySource, audience: str, **options: Any) -> TokenVerifier[Session]:
    """Make the verifier of sessions for one service (`audience` is one of SESSION_AUDIENCES)."""
    return TokenVerifier(keys, issuer=SESSION_ISSUER, audience=audience, typ=SESSION_TYPE, read=read_session, **options)


def reader_verifier(keys: KeySource, audience: str, **options: Any) -> TokenVerifier[Session | ClientToken]:
    """Make the verifier of sessions and of machines' tokens."""
    return TokenVerifier(keys, issuer=SESSION_ISSUER, audience=audience, typ=SESSION_TYPE, read=read_reader, **options)


def grant_verifier(keys: KeySource, **options: Any) -> TokenVerifier[Grant]:
    """Make the verifier of grant tokens."""
    return TokenVerifier(keys, issuer=GRANT_ISSUER, audience=GATE, typ=GRANT_TYPE, read=read_grant, **options)
