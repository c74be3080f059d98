"""Secrets of the sign-in: clients' secrets as they are stored, and what belongs to one way to an issuer and back."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Final

from pydantic import SecretStr

from services.approval import sealing
from services.approval.oidc.faults import IssuerFault
from shared.security.keys import derive_key

_PURPOSE: Final = "lockbox oidc client secrets"
_STATE_BYTES: Final = 32


def seal(internal: SecretStr, issuer_id: str, secret: str) -> bytes:
    """Encrypt a client's secret; it opens for this issuer's id alone."""
    return sealing.seal(internal, _PURPOSE, issuer_id, secret)


def unseal(internal: SecretStr, issuer_id: str, sealed: bytes) -> str:
    """Give a client's secret. Raises IssuerFault where it was encrypted under another internal secret, or for another issuer."""
    try:
        return sealing.unseal(internal, _PURPOSE, issuer_id, sealed)
    except sealing.Unreadable:
        raise IssuerFault(
            "secret_unreadable",
            "The client's secret cannot be read any more: remove the issuer and add it again.",
            field="client_secret",
        ) from None


def new_state() -> str:
    """Make what one sign-in, or one browser, is known by: 256 random bits."""
    return secrets.token_urlsafe(_STATE_BYTES)


def hashed(value: str) -> bytes:
    """Give the form in which the database knows a random value: who reads it there cannot use it."""
    return hashlib.sha256(value.encode("utf-8", "replace")).digest()


class Flow:
    """What belongs to one sign-in, all of it derived from its state, so that none of it need be kept."""

    def __init__(self, internal: SecretStr, state: str) -> None:
        key = derive_key(internal.get_secret_value(), "lockbox oidc flows")
        self.state = state
        self.nonce = _text(hmac.digest(key, f"nonce {state}".encode(), "sha256"))
        # RFC 7636, 4.1: 43 to 128 characters.
        self.verifier = _text(hmac.digest(key, f"verifier {state}".encode(), "sha256"))

    @property
    def challenge(self) -> str:
        """The verifier as the issuer is told of it at first (S256, RFC 7636, 4.2)."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
