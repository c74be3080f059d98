"""Secrets that are given once: a link's token, codes for whoever is locked out, a client's secret. Only hashes are stored.

They are long and random, so a fast keyed hash is enough: nobody can try them out, with the database or without.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

from shared.security.keys import derive_key
from shared.settings import Settings, portal_of

CODES: Final = 10
# Crockford's base 32: nothing in it is mistaken for something else when it is read from paper. 16 of them are 80 bits.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans("OIL", "011", " -\t\n\r\u2010\u2011\u2013\u2014")
_GROUPS, _GROUP = 4, 4
_SECRET_BYTES: Final = 32
# By this, scanners for secrets that were published by mistake know ours.
_MARK: Final = "lbxc_"


def link_token(settings: Settings, link_id: str) -> str:
    """Make the token of a link: the same each time, and for nobody else."""
    key = _key(settings, "lockbox one-time links")
    return base64.urlsafe_b64encode(hmac.digest(key, link_id.encode(), "sha256")).decode().rstrip("=")


def link_address(settings: Settings, link_id: str) -> str:
    """Give the address that is mailed."""
    return f"{portal_of(settings)}/setup?token={link_token(settings, link_id)}"


def link_digest(token: str) -> bytes:
    """Give what is stored of a link's token."""
    return hashlib.sha256(token.encode()).digest()


def new_codes() -> list[str]:
    """Make recovery codes as they are printed: K7QD-02XM-9RTB-C4HV."""
    groups = (["".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)] for _ in range(CODES))
    return ["-".join(code) for code in groups]


def code_digest(settings: Settings, *, realm: str, email: str, code: str) -> bytes:
    """Give what is stored of somebody's recovery code, however it was typed."""
    said = f"{realm}\n{email}\n{code.upper().translate(_MISREAD)}"
    return hmac.digest(_key(settings, "lockbox recovery codes"), said.encode(), "sha256")


def new_client_secret() -> str:
    return _MARK + secrets.token_urlsafe(_SECRET_BYTES)


def client_digest(settings: Settings, *, client_id: str, secret: str) -> bytes:
    """Give what is stored of a client's secret."""
    said = f"{client_id}\n{secret}"
    return hmac.digest(_key(settings, "lockbox client secrets"), said.encode("utf-8", "surrogatepass"), "sha256")


def _key(settings: Settings, purpose: str) -> bytes:
    return derive_key(settings.internal_secret.get_secret_value(), purpose)
