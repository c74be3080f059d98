"""Where RabbitMQ's program is: installed here, inside a foreign root, or brought by apt where we may."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.account import Account
from deploy.local.process import Process, StartError
from deploy.local.state import DataFolder

# Debian's command in sbin goes through `su` to the system's own user: the package's script starts a node of ours.
DEBIAN_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
MISSING = (
    "RabbitMQ is missing: install it (Debian, Ubuntu: apt-get install rabbitmq-server; macOS: brew install rabbitmq), "
    "start Docker, or name a server with --amqp-url and LOCKBOX_AMQP_MANAGEMENT_URL"
)
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_FORBIDS = 101


@dataclass(frozen=True)
class Program:
    """The server's start script and the port mapper; with a root, both are paths inside it, entered with chroot."""

    script: Path
    epmd: Path
    root: Path | None = None

    def command(self, path: Path, account: Account | None) -> list[str]:
        if self.root is None:
            return [str(path)]
        user = [f"--userspec=+{account.uid}:+{account.gid}"] if account else []
        return ["chroot", *user, str(self.root), str(path)]


async def find_program(folder: DataFolder, say: Callable[[str], None], root: Path | None = None) -> Program:
    """Find the server, or install it as root on Debian and Ubuntu; raise StartError with one clear message."""
    if root is not None:
        program = _in_root(root)
    else:
        program = _installed()
        if program is None and _may_install():
            await _install(folder, say)
            program = _installed()
    if program is None:
        raise StartError(
            MISSING if root is None else f"no RabbitMQ in {root}: make it with python -m deploy.local.trixie"
        )
    return program


def _installed() -> Program | None:
    command = shutil.which("rabbitmq-server")
    script = DEBIAN_SCRIPT if DEBIAN_SCRIPT.exists() else Path(command).resolve() if command else None
    epmd = shutil.which("epmd")
    return Program(script, Path(epmd)) if script and epmd else None


def _in_root(root: Path) -> Program | None:
    if os.geteuid() != 0:
        raise StartError("only root can run a server from another root folder (LOCKBOX_RABBITMQ_ROOT)")
    epmd = Path("/usr/bin/epmd")
    there = all((root / path.relative_to("/")).exists() for path in (DEBIAN_SCRIPT, epmd))
    return Program(DEBIAN_SCRIPT, epmd, root.resolve()) if there else None


def _may_install() -> bool:
    with contextlib.suppress(OSError):
        release = Path("/etc/os-release").read_text(encoding="utf-8")
        words = release.replace('"', "").replace("=", " ").split()
        return os.geteuid() == 0 and shutil.which("apt-get") is not None and ("debian" in words or "ubuntu" in words)
    return False


async def _install(folder: DataFolder, say: Callable[[str], None]) -> None:
    say("RabbitMQ is missing: installing Debian's package rabbitmq-server with apt-get (the system's node stays off)")
    for command in (
        ["apt-get", "-qq", "update"],
        [
            "apt-get",
            "-qq",
            "-o",
            "DPkg::Lock::Timeout=300",
            "install",
            "-y",
            "--no-install-recommends",
            "rabbitmq-server",
        ],
    ):
        apt = Process(
            "apt-get",
            command,
            env={**folder.environment(), "DEBIAN_FRONTEND": "noninteractive"},
            log=folder.log("apt-get"),
        )
        with _no_service_starts():
            await apt.start()
            # An interrupted dpkg leaves the machine half configured, so an end of ours waits for it.
            ending = asyncio.ensure_future(apt.wait())
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                say("waiting for apt-get to finish")
                await ending
                raise
        if ending.result() != 0:
            raise apt.failure("could not install RabbitMQ")


def _forbids_starts() -> bool:
    with contextlib.suppress(OSError):
        answer = subprocess.run([POLICY, "rabbitmq-server", "start"], check=False, capture_output=True)
        return answer.returncode == POLICY_FORBIDS
    return False


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep the package from starting the system's node; a policy that is there is left alone."""
    if POLICY.exists():
        if not _forbids_starts():
            raise StartError(f"{MISSING} ({POLICY} would let the package start a server of the system's)")
        yield
        return
    try:
        with open(os.open(POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"#!/bin/sh\nexit {POLICY_FORBIDS}\n")
        yield
    finally:
        POLICY.unlink(missing_ok=True)
