"""An issuer of our own that answers whatever a test wants: the attacks that a certified one does not make."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

CLIENT = "lockbox"


@cache
def _the_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class Forger:
    """What it answers, by path: a JSON value, or bytes; `status` says otherwise than 200. `asked` is what it was sent."""

    port: int
    key: RSAKey = field(default_factory=_the_key)
    answers: dict[str, Any] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def metadata(self, **changes: Any) -> dict[str, Any]:
        facts = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "authorization_response_iss_parameter_supported": False,
        }
        return {name: value for name, value in (facts | changes).items() if value is not None}

    def reset(self) -> None:
        """Behave as an honest issuer again, but for the tokens, which each test makes."""
        self.asked.clear()
        self.status.clear()
        self.answers.clear()
        self.answers["/.well-known/openid-configuration"] = self.metadata()
        self.answers["/jwks"] = {"keys": [self.key.as_dict(private=False)]}

    def claims(self, nonce: str, /, **changes: Any) -> dict[str, Any]:
        """Give honest claims with the changes; None leaves one out."""
        now = int(time.time())
        facts = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "somebody",
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "email": "somebody@contoso.example",
            "groups": ["privacy"],
        }
        return {name: value for name, value in (facts | changes).items() if value is not None}

    def sign(self, claims: Mapping[str, Any], *, key: Any = None, **header: Any) -> str:
        said = {"alg": "RS256", "kid": "one"} | header
        registry = JWSRegistry(algorithms=[str(said["alg"])], strict_check_header=False)
        known = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(known, dict(claims), key or self.key, registry=registry)

    def tell(self, token: object, **changes: Any) -> None:
        """Have the token endpoint answer with this ID token."""
        self.answers["/token"] = {"access_token": "x", "token_type": "Bearer", "id_token": token} | changes

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            path = first.split(" ")[1].partition("?")[0]
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            self.asked.append((path, headers, form))
            answer = self.answers.get(path)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            status = self.status.get(path, 200 if path in self.answers else 404)
            writer.write(
                f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
                "connection: close\r\n\r\n".encode()
                + content
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def by_hand(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """Write a token as no library would."""
    signed = b".".join(_part(json.dumps(dict(part)).encode()) for part in (header, claims))
    return (signed + b"." + _part(sign(signed))).decode()


def _part(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def unsigned(claims: Mapping[str, Any]) -> str:
    """Write a token that nobody signed."""
    return by_hand({"alg": "none", "kid": "one"}, claims, lambda _: b"")


def with_public_key(key: RSAKey, claims: Mapping[str, Any]) -> str:
    """Sign with the public key as if it were a secret that both sides know."""
    secret = key.as_pem(private=False)
    return by_hand({"alg": "HS256", "kid": "one"}, claims, lambda signed: hmac.digest(secret, signed, "sha256"))


def with_unknown_demand(key: RSAKey, claims: Mapping[str, Any]) -> str:
    """Sign rightly, and demand of the reader what he cannot know (RFC 7515, 4.1.11)."""
    header = {"alg": "RS256", "kid": "one", "crit": ["lockbox"], "lockbox": 1}
    private = key.private_key
    assert private is not None
    return by_hand(header, claims, lambda signed: private.sign(signed, PKCS1v15(), SHA256()))


@asynccontextmanager
async def forging() -> AsyncIterator[Forger]:
    forger = Forger(0)
    server = await asyncio.start_server(forger.handle, "127.0.0.1", 0)
    forger.port = server.sockets[0].getsockname()[1]
    forger.reset()
    try:
        yield forger
    finally:
        server.close()
