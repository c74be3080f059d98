"""RabbitMQ 4 beside the installed one: Debian trixie unpacked into a folder, whose server `LOCKBOX_RABBITMQ_ROOT` names.

`python -m deploy.local.trixie FOLDER` makes it, half a minute, needs root and the Debian mirror of this machine's own apt, and
tries it out. A folder that is there already is used as it is.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from deploy.local.process import StartError
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.state import DataFolder
from deploy.local.up import say

SUITE = "trixie"
LOG_LINES = 15


def make_root(root: Path) -> None:
    """Unpack Debian with RabbitMQ; raise StartError, with the last lines of the log, where it can't be."""
    if root.exists():
        return
    if os.geteuid() != 0:
        raise StartError("only root can unpack another Debian: name a RabbitMQ 4 with LOCKBOX_AMQP_URL instead")
    mirror = _mirror()
    if shutil.which("debootstrap") is None:
        say("installing debootstrap with apt-get")
        _run(["apt-get", "-qq", "update"])
        _run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "debootstrap"])
    say(f"unpacking Debian {SUITE} with RabbitMQ 4 into {root}")
    root.parent.mkdir(parents=True, exist_ok=True)
    # Moved into place when it is whole, so that an interrupted run leaves nothing that looks finished.
    with tempfile.TemporaryDirectory(dir=root.parent) as made:
        fresh = Path(made) / "root"
        _run(["debootstrap", "--variant=minbase", "--include=rabbitmq-server", SUITE, str(fresh), mirror])
        fresh.chmod(0o755)
        fresh.rename(root)


async def try_out(root: Path) -> str:
    """Start the server once and give its version; raise StartError where it does not come."""
    with tempfile.TemporaryDirectory(prefix="lockbox-trixie-") as folder:
        node = RabbitMQ(DataFolder(Path(folder)), say, root)
        try:
            await node.start()
            async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
                version: str = (await client.get(f"{node.management_url}/api/overview")).json()["rabbitmq_version"]
        finally:
            await node.stop()
            node.remove()
    return version


def _mirror() -> str:
    """Give the address from which this machine's apt has Debian itself."""
    columns = "$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)"
    answer = subprocess.run(
        ["apt-get", "indextargets", "--format", columns, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in answer.stdout.splitlines():
        origin, component, codename, address = line.split(" ", 3)
        if (origin, component) == ("Debian", "main") and "-" not in codename:
            return address
    raise StartError("this machine's apt has no Debian mirror: name a RabbitMQ 4 with LOCKBOX_AMQP_URL instead")


def _run(command: list[str]) -> None:
    answer = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if answer.returncode != 0:
        last = "\n".join(f"    {line}" for line in answer.stdout.splitlines()[-LOG_LINES:])
        raise StartError(f"{command[0]} failed:\n{last}")


def main() -> None:
    root = Path(sys.argv[1])
    try:
        make_root(root)
        say(f"RabbitMQ {asyncio.run(try_out(root))} in {root}")
    except StartError as error:
        say(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
