"""A whole system of its own for the length of the demo: started, awaited, and ended without a trace."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORTS = 6
START_SECONDS = 150
STOP_SECONDS = 30


@dataclass(frozen=True)
class Addresses:
    """What `lockbox up --json` says of a ready system."""

    request_api: str
    approval: str
    audit: str
    mail: str
    password: str


class DidNotStart(RuntimeError):
    """The system did not become ready; the message is what it said last."""


@asynccontextmanager
async def running_system() -> AsyncIterator[Addresses]:
    """Run `lockbox up --demo` in a folder that is gone afterwards. Raises DidNotStart."""
    with tempfile.TemporaryDirectory(prefix="lockbox-demo-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # noqa: ASYNC240 - once, before anything runs
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "lockbox.cli", "up", "--demo", "--json"),
            *("--data", folder, "--port-base", str(_free_ports())),
            stdout=asyncio.subprocess.PIPE,
            # Short windows and grants can be waited for.
            env={**os.environ, "LOCKBOX_MIN_DECISION_WINDOW": "PT1S"},
            start_new_session=True,
        )
        try:
            yield await _ready(process)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await asyncio.wait_for(process.wait(), STOP_SECONDS)


async def _ready(process: asyncio.subprocess.Process) -> Addresses:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    except TimeoutError:
        raise DidNotStart(f"the system was not ready after {START_SECONDS} s") from None
    if not line:
        raise DidNotStart(f"the system ended with {await process.wait()}; what it said stands above")
    said: dict[str, Any] = json.loads(line)
    return Addresses(
        request_api=said["request_api"],
        approval=said["approval"],
        audit=said["audit"],
        mail=said["mail"],
        password=said["demo"]["password"],
    )


def _free_ports() -> int:
    """Find a base from which on the system's HTTP ports are free, away from where `make up` listens."""
    for base in range(18000, 30000, 10):
        try:
            for port in range(base, base + PORTS):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise DidNotStart("no free ports between 18000 and 30000 on the loopback")
