"""How a command speaks to its person when it can't go on."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer


def refuse(message: str, code: int = 1) -> NoReturn:
    """End the command with one message on stderr; the code is 1 for refused or failed, 2 for wrong usage."""
    print(f"lockbox: {message}", file=sys.stderr)
    raise typer.Exit(code)
