"""The one-shot container that sets a composed system up: databases, roles, users, queues, keys and secrets.

It takes administrators' addresses from the environment (LOCKBOX_DATABASE_URL, LOCKBOX_AMQP_URL, LOCKBOX_AMQP_MANAGEMENT_URL) and
leaves in the folder given as its argument one file for each secret that a service reads. Running it again changes nothing.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy.local.account import write_private
from deploy.local.process import StartError
from deploy.local.provisioning import Provisioning
from deploy.local.services import SERVICES, SIGNS, key_file
from deploy.local.state import DataFolder

TRIES = 60
PAUSE_SECONDS = 2.0


async def set_up(folder: DataFolder, database_url: str, amqp_url: str, management_url: str) -> None:
    """Provision both servers, waiting for them to be there, and write each service's files. Raises StartError."""
    provisioning = Provisioning(folder)
    databases = await _when_there(lambda: provisioning.databases(database_url))
    brokers = await _when_there(lambda: provisioning.brokers(amqp_url, management_url))
    for service in SERVICES:
        own = folder.path / service
        own.mkdir(mode=0o700, exist_ok=True)
        write_private(own / "database_url", databases[service] + "\n")
        write_private(own / "amqp_url", brokers[service] + "\n")
        write_private(own / "internal_secret", folder.secret("internal_secret") + "\n")
        if service in SIGNS:
            write_private(own / "token_key.pem", key_file(folder, SIGNS[service]).read_text(encoding="utf-8"))


async def _when_there(make: Callable[[], Awaitable[dict[str, str]]]) -> dict[str, str]:
    for _ in range(TRIES):
        try:
            return await make()
        except StartError as error:
            print(f"waiting: {error}", flush=True)
            await asyncio.sleep(PAUSE_SECONDS)
    return await make()


def main() -> int:
    """Set up; say what went wrong in one line."""
    names = ("LOCKBOX_DATABASE_URL", "LOCKBOX_AMQP_URL", "LOCKBOX_AMQP_MANAGEMENT_URL")
    missing = [name for name in names if name not in os.environ]
    if missing or len(sys.argv) != 2:  # noqa: PLR2004 - the folder
        print(
            f"usage: python -m deploy.containers.setup FOLDER; missing: {', '.join(missing) or 'the folder'}",
            file=sys.stderr,
        )
        return 2
    try:
        asyncio.run(set_up(DataFolder(Path(sys.argv[1])), *(os.environ[name] for name in names)))
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
