"""What people install and import: the client (`lockbox.Client`, `lockbox.AsyncClient`) and the command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockbox.client import Addresses, AsyncClient, Client, LockboxError, Policy

__all__ = ["Addresses", "AsyncClient", "Client", "LockboxError", "Policy"]


def __getattr__(name: str) -> Any:
    """Load the client where it is used: what only checks a signature or a bundle needs none of it."""
    if name in __all__:
        return getattr(importlib.import_module("lockbox.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
