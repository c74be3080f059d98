"""Checks offline that a person's own passkey approved a decision, and nobody for him. Needs only `cryptography`.

From two events of the log: FactorAdded of that person holds the public key, the site and its origin; VoteCast holds the
assertion and what the decision says. The challenge that was signed is the SHA-256 of the decision's statement, so the
signature covers exactly that decision. The rules are those of WebAuthn Level 2, 7.2, for what can be checked later.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

# RFC 9053: the numbers of COSE for algorithms, kinds of key and curves.
_ES256: Final = -7
_EDDSA: Final = -8
_RS256: Final = -257
_OKP: Final = 1
_EC2: Final = 2
_RSA: Final = 3
_P256: Final = 1
_ED25519: Final = 6
_KIND, _ALGORITHM, _CURVE_OR_N, _X_OR_E, _Y = 1, 3, -1, -2, -3
_SHORTEST_RSA: Final = 2048
_COORDINATE_BYTES: Final = 32
# WebAuthn Level 2, 6.1: 32 bytes of the site's hash, a byte of flags, four of a counter.
_SHORTEST_DATA: Final = 37
_PRESENT: Final = 0x01
_VERIFIED: Final = 0x04


class _Unreadable(ValueError):
    """Bytes that are none of what they should be."""


def decision_statement(vote: Mapping[str, Any]) -> bytes:
    """Write what a passkey signs for a decision, from the `data` of its VoteCast event.

    Six lines of UTF-8, each ended by a newline: `lockbox-decision/v1`, the request's digest, `approve` or `deny`, the duration,
    the version of the settings, and the resources as JSON without spaces. Raises ValueError where the event says none of these.
    """
    try:
        resources = [{"id": one["id"], "operations": list(one["operations"])} for one in vote["resources"]]
        named = json.dumps(resources, ensure_ascii=False, separators=(",", ":"))
        lines = (
            "lockbox-decision/v1",
            str(vote["request_digest"]),
            str(vote["vote"]),
            str(vote["duration"]),
            str(vote["settings_version"]),
            named,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the event does not say what was decided: {error!r}") from None
    return "".join(f"{line}\n" for line in lines).encode()


def verify_decision(factor: Mapping[str, Any], vote: Mapping[str, Any]) -> bool:
    """Say whether the passkey of a FactorAdded signed the decision of a VoteCast, of the same person. Both are events' `data`."""
    assertion = vote.get("assertion")
    try:
        same = factor["member"]["id"] == vote["approver"]["id"]
        site = factor["public_key"], factor["rp_id"], factor["origin"]
        named = factor["credential_id"]
        words = decision_statement(vote)
    except (KeyError, TypeError, ValueError):
        return False
    if not same or not isinstance(assertion, Mapping) or assertion.get("credential_id") != named:
        return False
    public_key, rp_id, origin = site
    if not all(isinstance(one, str) for one in site):
        return False
    return verify_offline(public_key, rp_id, origin, assertion, words)


def verify_offline(public_key: str, rp_id: str, origin: str, assertion: Mapping[str, Any], statement: bytes) -> bool:
    """Say whether an assertion is the key's own over exactly this statement, made at this site, the person verified.

    `public_key` is a COSE key, and the parts of `assertion` are bytes, all base64url without padding, as in the events.
    """
    try:
        data = _decoded(assertion["authenticator_data"])
        client_data = _decoded(assertion["client_data_json"])
        signature = _decoded(assertion["signature"])
        if not _is_for(client_data, origin=origin, challenge=hashlib.sha256(statement).digest()):
            return False
        if not _is_by_a_person_at(data, rp_id):
            return False
        signed = data + hashlib.sha256(client_data).digest()
        _verify(_cose_key(_decoded(public_key)), signature, signed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, KeyError, TypeError, RecursionError):
        return False
    return True


def _is_for(client_data: bytes, *, origin: str, challenge: bytes) -> bool:
    said = json.loads(client_data)
    return (
        isinstance(said, dict)
        and said.get("type") == "webauthn.get"
        and said.get("origin") == origin
        and said.get("crossOrigin", False) is False
        and isinstance(said.get("challenge"), str)
        and hmac.compare_digest(_decoded(said["challenge"]), challenge)
    )


def _is_by_a_person_at(data: bytes, rp_id: str) -> bool:
    if len(data) < _SHORTEST_DATA:
        return False
    flags = data[32]
    by_a_person = flags & _PRESENT and flags & _VERIFIED
    return bool(by_a_person) and hmac.compare_digest(data[:32], hashlib.sha256(rp_id.encode()).digest())


def _verify(key: Mapping[Any, Any], signature: bytes, signed: bytes) -> None:
    """Raise InvalidSignature where the signature is another's, ValueError where the key is none that we know."""
    match key.get(_KIND), key.get(_ALGORITHM), key.get(_CURVE_OR_N):
        case (kind, algorithm, curve) if (kind, algorithm, curve) == (_EC2, _ES256, _P256):
            x, y = _coordinate(key.get(_X_OR_E)), _coordinate(key.get(_Y))
            point = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1())
            point.public_key().verify(signature, signed, ec.ECDSA(SHA256()))
        case (kind, algorithm, curve) if (kind, algorithm, curve) == (_OKP, _EDDSA, _ED25519):
            Ed25519PublicKey.from_public_bytes(key[_X_OR_E]).verify(signature, signed)
        case (kind, algorithm, bytes(modulus)) if (kind, algorithm) == (_RSA, _RS256):
            number = int.from_bytes(modulus, "big")
            if number.bit_length() < _SHORTEST_RSA:
                raise _Unreadable("an RSA key has at least 2048 bits")
            rsa_key = rsa.RSAPublicNumbers(int.from_bytes(key[_X_OR_E], "big"), number).public_key()
            rsa_key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        case _:
            raise _Unreadable("a key of another kind")


def _coordinate(value: object) -> int:
    if not isinstance(value, bytes) or len(value) != _COORDINATE_BYTES:
        raise _Unreadable("a coordinate has 32 bytes")
    return int.from_bytes(value, "big")


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise _Unreadable("no text")
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _Unreadable("no base64url") from None
    if base64.urlsafe_b64encode(found).decode().rstrip("=") != text:
        # One value has one form: bits that nobody reads would let two texts be the same bytes.
        raise _Unreadable("no canonical base64url")
    return found


# CBOR (RFC 8949), as far as a COSE key needs it: one map of whole numbers to whole numbers and bytes.


def _cose_key(encoded: bytes) -> dict[int, int | bytes]:
    kind, size, rest = _head(encoded)
    if kind != 5:  # noqa: PLR2004 - RFC 8949, 3.1: a map.
        raise _Unreadable("no map")
    key: dict[int, int | bytes] = {}
    for _ in range(size):
        name, rest = _item(rest)
        value, rest = _item(rest)
        if isinstance(name, bytes) or name in key:
            raise _Unreadable("no name of a COSE key")
        key[name] = value
    if rest:
        raise _Unreadable("something stands behind the key")
    return key


def _item(encoded: bytes) -> tuple[int | bytes, bytes]:
    kind, number, rest = _head(encoded)
    match kind:
        case 0:
            return number, rest
        case 1:
            return -1 - number, rest
        case 2 if number <= len(rest):
            return rest[:number], rest[number:]
    raise _Unreadable("neither a whole number nor bytes")


def _head(encoded: bytes) -> tuple[int, int, bytes]:
    """Read the kind of the next item and its number, and give what follows."""
    if not encoded:
        raise _Unreadable("it ends too early")
    kind, short = encoded[0] >> 5, encoded[0] & 0x1F
    if short < 24:  # noqa: PLR2004 - RFC 8949, 3: the number itself; 24 to 27 say how many bytes hold it.
        return kind, short, encoded[1:]
    size = {24: 1, 25: 2, 26: 4}.get(short)
    if size is None or len(encoded) < 1 + size:
        raise _Unreadable("a number of another form")
    return kind, int.from_bytes(encoded[1 : 1 + size], "big"), encoded[1 + size :]
