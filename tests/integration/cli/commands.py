"""`lockbox` as a program of its own, with a config folder of its own: what tests of the command line stand on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        return json.loads(self.error)


class Desk:
    """Somebody's computer: `await desk.lockbox("request", "list", profile="eve")`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        # Neither the servers' settings nor what colours terminals may reach the command.
        quiet = ("LOCKBOX_", "OPENLOCKBOX_", "FORCE_COLOR", "TTY_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(quiet)}
        self.environment |= {"OPENLOCKBOX_CONFIG_DIR": str(folder), "TZ": "UTC"} | environment

    async def start(self, *arguments: str, profile: str | None = None) -> asyncio.subprocess.Process:
        chosen = () if profile is None else ("--profile", profile)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lockbox.cli",
            *arguments,
            *chosen,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def lockbox(self, *arguments: str, profile: str | None = None, stdin: str = "") -> Said:
        """Run a command to its end."""
        process = await self.start(*arguments, profile=profile)
        async with asyncio.timeout(SECONDS):
            out, error = await process.communicate(stdin.encode())
        return Said(process.returncode or 0, out.decode(), error.decode())

    async def does(self, *arguments: str, profile: str | None = None, stdin: str = "") -> Any:
        """Run a command that must succeed, and return its JSON."""
        said = await self.lockbox(*arguments, "--output", "json", profile=profile, stdin=stdin)
        assert (said.code, said.error) == (0, ""), f"{arguments}: {said}"
        return said.json

    async def is_refused(self, *arguments: str, profile: str | None = None, stdin: str = "") -> Any:
        """Run a command that must be refused, and return the problem."""
        said = await self.lockbox(*arguments, "--output", "json", profile=profile, stdin=stdin)
        assert (said.code, said.out) == (1, ""), f"{arguments}: {said}"
        return said.problem
