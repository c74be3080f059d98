"""Signing keys: read from files, published as a JWKS, and fetched from the service that signs."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.security.tokens import ALGORITHM, KeysUnavailable

FRESH_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = 3.0
FETCH_SECONDS: Final = 3.0
_OPEN_TO_OTHERS: Final = 0o077
_log = structlog.get_logger(__name__)


class BadKey(ValueError):
    """A key file that cannot be used; the message names it and the remedy."""


def load_key(path: Path) -> OKPKey:
    """Read a private Ed25519 key (PEM, PKCS 8) that its owner alone can read. Its id is its thumbprint (RFC 7638).

    Raises BadKey.
    """
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise BadKey(f"{path} cannot be read: {error.strerror}") from None
    if mode & _OPEN_TO_OTHERS:
        raise BadKey(f"{path} can be read by others: chmod 600 {path}")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise BadKey(f"{path} holds no unencrypted PEM key: openssl genpkey -algorithm ed25519 -out {path}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path} holds no Ed25519 key: openssl genpkey -algorithm ed25519 -out {path}")
    return signing_key(key)


def signing_key(key: Ed25519PrivateKey) -> OKPKey:
    """Wrap a private key for signing; its id is its thumbprint (RFC 7638)."""
    wrapped = OKPKey.import_key(key)
    return OKPKey.import_key(key, {"kid": wrapped.thumbprint(), "alg": ALGORITHM, "use": "sig"})


def public_jwks(keys: Iterable[OKPKey]) -> dict[str, Any]:
    """Give what `GET /.well-known/jwks.json` answers: the public halves."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def _usable(jwks: object) -> dict[str, OKPKey]:
    """Read the keys of a JWKS that can sign our tokens; others are passed over. Raises ValueError for no JWKS."""
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
        raise ValueError("no JWKS")  # noqa: TRY004 - It came over the network: wrong content, not a wrong call.
    found = {}
    for entry in jwks["keys"]:
        if not isinstance(entry, dict) or (entry.get("kty"), entry.get("crv")) != ("OKP", "Ed25519") or "d" in entry:
            continue
        try:
            found[str(entry["kid"])] = OKPKey.import_key(entry)
        except (JoseError, KeyError, ValueError):
            continue
    if not found:
        raise ValueError("no usable key in the JWKS")
    return found


class LocalJwks:
    """The keys of the service that signs them itself."""

    generation = 0

    def __init__(self, keys: Iterable[OKPKey]) -> None:
        self._keys = _usable(public_jwks(keys))

    async def key(self, kid: str) -> OKPKey | None:
        """Give the key of that id, or None."""
        return self._keys.get(kid)


class JwksSource:
    """The keys that another service publishes: kept, refreshed every few minutes, fetched again for an unknown id.

    It asks at most once in `pause` seconds, whatever callers send. Where the other service does not answer, the last good
    keys go on counting: a session outlives a restart of its issuer.
    """

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        fresh: float = FRESH_SECONDS,
        pause: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._client = client
        self._fresh = fresh
        self._pause = pause
        self._clock = clock
        self._keys: Mapping[str, OKPKey] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self.generation = 0

    async def key(self, kid: str) -> OKPKey | None:
        """Give the key of that id, or None when the issuer has none of that id. Raises KeysUnavailable."""
        if kid not in self._keys:
            await self.refresh()
        elif self._clock() - self._fetched_at > self._fresh and (self._renewal is None or self._renewal.done()):
            # Nobody waits for it: the keys at hand are good until others are there.
            self._renewal = asyncio.create_task(self.refresh(), name="jwks-renewal")
        if not self._keys:
            raise KeysUnavailable(f"no keys from {self._url} yet")
        return self._keys.get(kid)

    async def refresh(self) -> None:
        """Fetch the keys, unless they were asked for just now. A failure leaves those that there are."""
        async with self._asking:
            if self._clock() - self._asked_at < self._pause:
                return
            self._asked_at = self._clock()
            try:
                answer = await self._client.get(self._url, timeout=FETCH_SECONDS)
                answer.raise_for_status()
                keys = _usable(answer.json())
            except (httpx.HTTPError, ValueError) as error:
                _log.warning("keys not fetched", url=self._url, cause=type(error).__name__)
                return
            if not self._keys.keys() <= keys.keys():
                self.generation += 1
            self._keys = keys
            self._fetched_at = self._clock()


def derive_key(secret: str, purpose: str) -> bytes:
    """Derive 32 bytes for one purpose from a long random secret (HKDF-SHA-256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())
