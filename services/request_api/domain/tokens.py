"""A grant token's name on the record: the token itself stands nowhere."""

import hashlib


def token_id(token: str) -> str:
    """Name a token by its SHA-256 in lower-case hex: who finds the token can tell which record is its, and nobody the reverse."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
