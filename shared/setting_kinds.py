"""What a setting may hold, and what is wrong with one that does not, in words for who sets it."""

import json
import re
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

# 128 bits are 32 digits in hexadecimal.
_SECRET: Final = re.compile(r"[A-Za-z0-9._~+/-]{32,}=*")
_ORIGIN_CHARACTERS: Final = 128  # It stands in every checkpoint and key.


def address(*schemes: str) -> AfterValidator:
    """Take only addresses of these schemes; they are kept without a slash at the end."""
    expected = " or ".join(f"{scheme}://" for scheme in schemes)

    def check(value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise ValueError(f"must be an address with a valid host and port, beginning with {expected}") from None
        if parts.scheme not in schemes or not (parts.netloc or parts.query):
            raise ValueError(f"must be an address beginning with {expected}")
        return value if isinstance(value, SecretStr) else text.rstrip("/")

    return AfterValidator(check)


def networks(value: object) -> object:
    """Read networks in CIDR, separated by commas."""
    if not isinstance(value, str):
        return value
    found = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        try:
            found.append(ip_network(part))
        except ValueError:
            raise ValueError(f"must be networks such as 10.1.0.0/16,fd00::/8: {part} is none") from None
    return tuple(found)


def json_list(value: object) -> object:
    """Read a list that stands in the environment as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be a JSON list like [{"id": "mail", "name": "Mail", "excludes": []}]') from None


def origin(text: str) -> str:
    """Take only what can name a log."""
    # https://c2sp.org/signed-note: a key name has no spaces and no plus; c2sp.org/tlog-checkpoint: a schema-less URL.
    if not text.isascii() or not text.isprintable() or any(c in text for c in " +?#") or "://" in text:
        raise ValueError("must be a name like lockbox.example.com/log: no scheme, space, plus, ? or #")
    if text.strip("/") != text or len(text) > _ORIGIN_CHARACTERS:
        raise ValueError("must have at most 128 characters, and no slash at its ends")
    return text


def lower_case(value: object) -> object:
    """Read a choice whatever its case."""
    return value.lower() if isinstance(value, str) else value


def long_secret(value: SecretStr) -> SecretStr:
    """Take only what cannot be guessed, and what a bearer header can carry (RFC 6750, 2.1)."""
    if not _SECRET.fullmatch(value.get_secret_value()):
        raise ValueError("must have at least 32 characters, letters, digits and -._~+/ alone: openssl rand -hex 32")
    return value
