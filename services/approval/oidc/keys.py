"""An issuer's public keys: kept for a while, fetched again for a key that is not known yet, never more often than that."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from services.approval.oidc.discovery import fetch_object
from services.approval.oidc.faults import IssuerFault

Key = RSAKey | ECKey | OKPKey

FRESH_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = 1.0
_MOST_KEYS: Final = 100
_SHORTEST_RSA: Final = 2048
_LONGEST_RSA: Final = 8192
_OK: Final = 200
# The kind of key that each algorithm takes (RFC 7518, 3.1; RFC 8037, 3.1).
_KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
_PUBLIC: Final[Mapping[str, tuple[type[RSAKey] | type[ECKey] | type[OKPKey], tuple[str, ...]]]] = {
    "RSA": (RSAKey, ("kty", "n", "e")),
    "EC": (ECKey, ("kty", "crv", "x", "y")),
    "OKP": (OKPKey, ("kty", "crv", "x")),
}


def usable(jwks: Mapping[str, Any], algorithm: str) -> list[tuple[str | None, Key]]:
    """Read the keys of a JWKS that sign with this algorithm, each with its id; others are passed over.

    Raises IssuerFault for no JWKS.
    """
    entries = jwks.get("keys")
    if not isinstance(entries, list):
        raise IssuerFault("keys_malformed", "The issuer's jwks_uri answers no set of keys.")
    found: list[tuple[str | None, Key]] = []
    for entry in entries[:_MOST_KEYS]:
        if not isinstance(entry, dict) or not _fits(entry, algorithm):
            continue
        kind, names = _PUBLIC[entry["kty"]]
        try:
            # Only the public half, whatever else stands there.
            key = kind.import_key({name: entry[name] for name in names})
            long_enough = not isinstance(key, RSAKey) or _SHORTEST_RSA <= key.raw_value.key_size <= _LONGEST_RSA
        except (JoseError, KeyError, TypeError, ValueError):
            continue
        kid = entry.get("kid")
        if long_enough and (kid is None or isinstance(kid, str)):
            found.append((kid, key))
    return found


def _fits(entry: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = _KINDS[algorithm]
    operations = entry.get("key_ops")
    return (
        entry.get("kty") == kind
        and (curve is None or entry.get("crv") == curve)
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", algorithm) == algorithm
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


class IssuerKeys:
    """The keys of one issuer that sign with one algorithm.

    A key that is not known yet is asked for at once, but for a pause since the last time, which its seeker waits: an issuer
    that names ever new keys slows down its own people alone.
    """

    def __init__(
        self,
        url: str,
        algorithm: str,
        client: httpx.AsyncClient,
        *,
        fresh: float = FRESH_SECONDS,
        pause: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.algorithm = algorithm
        self._client = client
        self._fresh = fresh
        self._pause = pause
        self._clock = clock
        self._keys: list[tuple[str | None, Key]] = []
        self._fetched_at = float("-inf")
        self._asking = asyncio.Lock()

    async def candidates(self, kid: str | None) -> Sequence[Key]:
        """Give the keys by which a token may be signed: those of its key's id; without one the only key there is.

        Raises IssuerFault where the issuer does not answer.
        """
        asked_at = self._clock()
        if asked_at - self._fetched_at > self._fresh:
            await self._refresh(asked_at)
        found = self._named(kid)
        if not found:
            await self._refresh(asked_at)
            found = self._named(kid)
        return found

    def _named(self, kid: str | None) -> Sequence[Key]:
        if kid is None:
            return [key for _, key in self._keys] if len(self._keys) == 1 else []
        return [key for name, key in self._keys if name == kid]

    async def _refresh(self, asked_at: float) -> None:
        async with self._asking:
            if self._fetched_at >= asked_at:
                return  # Somebody else has fetched them while this call waited.
            await asyncio.sleep(max(0.0, self._fetched_at + self._pause - self._clock()))
            status, content = await fetch_object(self._client, "GET", self.url)
            if status != _OK:
                raise IssuerFault("issuer_unavailable", f"{self.url} answers {status}.")
            self._keys = usable(content, self.algorithm)
            self._fetched_at = self._clock()
