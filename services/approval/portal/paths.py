"""Parts of an address that come from outside, written so that they stay one part."""

from typing import Final
from urllib.parse import quote

_DOTS: Final = {".": "%2E", "..": "%2E%2E"}


def segment(text: str) -> str:
    """Write one segment of a path. `..` would lead a client to another path than the one meant, so its dots are written out."""
    return _DOTS.get(text) or quote(text, safe="@")
