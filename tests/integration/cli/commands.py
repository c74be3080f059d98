"""`lockbox` as a program of its own, with a config folder of its own: what tests of the command line stand on."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TextIO

import pytest

from lockbox.cli import run

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
    """Somebody's computer: `await desk.lockbox("request", "list", profile="eve")`. `ran` is every command of this run."""

    ran: ClassVar[set[tuple[str, ...]]] = set()

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        # Neither the servers' settings nor what colours terminals may reach the command.
        quiet = ("LOCKBOX_", "OPENLOCKBOX_", "FORCE_COLOR", "TTY_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(quiet)}
        self.environment |= {"OPENLOCKBOX_CONFIG_DIR": str(folder), "TZ": "UTC"} | environment

    async def start(self, *arguments: str, profile: str | None = None) -> asyncio.subprocess.Process:
        self.ran.add(arguments)
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

    async def lockbox(self, *arguments: str, profile: str | None = None, stdin: str | TextIO = "") -> Said:
        """Run a command to its end."""
        process = await self.start(*arguments, profile=profile)
        async with asyncio.timeout(SECONDS):
            out, error = await process.communicate(stdin.encode() if isinstance(stdin, str) else b"")
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


class Here(Desk):
    """The same in this process: quicker, for what needs no process of its own. One command at a time."""

    async def lockbox(self, *arguments: str, profile: str | None = None, stdin: str | TextIO = "") -> Said:
        self.ran.add(arguments)
        chosen = () if profile is None else ("--profile", profile)
        out, error = io.StringIO(), io.StringIO()
        given = io.StringIO(stdin) if isinstance(stdin, str) else stdin
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(out),
            redirect_stderr(error),
        ):
            patch.setattr(sys, "stdin", given)
            patch.setenv("OPENLOCKBOX_CONFIG_DIR", str(self.folder))
            patch.delenv("OPENLOCKBOX_PROFILE", raising=False)
            code = await asyncio.to_thread(run, [*arguments, *chosen])
        return Said(code, out.getvalue(), error.getvalue())


class Nobody(io.StringIO):
    """A stdin from which nothing may be read, since nothing may be asked."""

    def readline(self, *_: Any) -> str:  # type: ignore[override]  # typeshed has both str and bytes above it.
        raise AssertionError("somebody asked")

    read = readline
