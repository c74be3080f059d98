"""A passkey in software: makes what a browser's navigator.credentials.create and .get give, right or wrong on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any, Literal

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Algorithm = Literal["ES256", "EdDSA", "RS256"]
PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(value: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key(algorithm: Algorithm) -> PrivateKey:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def cose(key: PrivateKey) -> bytes:
    """Write a public key as COSE does (RFC 9053)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
    if isinstance(key, Ed25519PrivateKey):
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: public})
    rsa_numbers = key.public_key().public_numbers()
    return cbor2.dumps({1: 3, 3: -257, -1: rsa_numbers.n.to_bytes(256, "big"), -2: b"\x01\x00\x01"})


def sign(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(SHA256()))
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    return key.sign(data, padding.PKCS1v15(), SHA256())


@dataclass
class Authenticator:
    """One passkey. `count` is its own counter of uses; None for one that keeps none, as synchronized ones do."""

    origin: str
    rp_id: str
    algorithm: Algorithm = "ES256"
    count: int | None = 0
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    key: PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = new_key(self.algorithm)

    def create(self, options: dict[str, Any], **wrong: Any) -> dict[str, Any]:
        """Answer navigator.credentials.create. `wrong` as in `get`, and `public_key`."""
        challenge = wrong.pop("challenge", raw(options["challenge"]))
        public_key = wrong.pop("public_key", cose(self.key))
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public_key
        flags = wrong.pop("flags", PRESENT | VERIFIED) | ATTESTED
        data = self._data(flags, **wrong) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", challenge, **wrong)
        response = {
            "clientDataJSON": b64(client_data),
            "attestationObject": b64(attestation),
            "transports": ["internal"],
        }
        return self._credential(response)

    def get(self, challenge: bytes | str, **wrong: Any) -> dict[str, Any]:
        """Answer navigator.credentials.get.

        What shall be wrong, by name: `origin`, `rp_id`, `type`, `flags`, `count`, `cross_origin`, `key` (another's signature).
        """
        flags = wrong.pop("flags", PRESENT | VERIFIED)
        given = raw(challenge) if isinstance(challenge, str) else challenge
        data = self._data(flags, **wrong)
        client_data = self._client_data("webauthn.get", given, **wrong)
        signature = sign(wrong.get("key", self.key), data + hashlib.sha256(client_data).digest())
        response = {"clientDataJSON": b64(client_data), "authenticatorData": b64(data), "signature": b64(signature)}
        return self._credential(response)

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        shown = b64(self.credential_id)
        return {
            "id": shown,
            "rawId": shown,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _data(self, flags: int, **wrong: Any) -> bytes:
        if self.count is not None:
            self.count += 1
        count = wrong.get("count", self.count or 0)
        site = wrong.get("rp_id", self.rp_id)
        return hashlib.sha256(site.encode()).digest() + bytes([flags]) + int(count).to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: bytes, **wrong: Any) -> bytes:
        said = {
            "type": wrong.get("type", kind),
            "challenge": b64(challenge),
            "origin": wrong.get("origin", self.origin),
            "crossOrigin": wrong.get("cross_origin", False),
        }
        return json.dumps(said, separators=(",", ":")).encode()
