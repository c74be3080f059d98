"""Secrets at rest: encrypted under the internal secret, each bound to its owner: in another's row it opens for nobody."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from shared.security.keys import derive_key

# NIST SP 800-38D, 8.2.2: a random nonce of 96 bits.
_NONCE_BYTES: Final = 12


class Unreadable(Exception):
    """It was sealed under another internal secret, for another purpose, or for something else."""


def seal(internal: SecretStr, purpose: str, owner: str, secret: str) -> bytes:
    """Encrypt a secret (AES-256-GCM: nonce, ciphertext, tag); it opens for this purpose and this owner's id alone."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + _cipher(internal, purpose).encrypt(nonce, secret.encode(), owner.encode())


def unseal(internal: SecretStr, purpose: str, owner: str, sealed: bytes) -> str:
    """Give the secret. Raises Unreadable."""
    try:
        return _cipher(internal, purpose).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode()).decode()
    except InvalidTag:
        raise Unreadable from None


def _cipher(internal: SecretStr, purpose: str) -> AESGCM:
    return AESGCM(derive_key(internal.get_secret_value(), purpose))
