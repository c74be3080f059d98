"""Migrations: numbered .sql files, each run once, in order, as the database's owner."""

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable

from shared.database.pool import Connection

_RECORD = """
CREATE TABLE IF NOT EXISTS migrations (
    part   text        NOT NULL,
    name   text        NOT NULL,
    digest text        NOT NULL,
    run_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (part, name)
)
"""


class MigrationChanged(RuntimeError):
    """A migration that has run was edited afterwards. Write a new one instead."""


def _files(package: str) -> list[Traversable]:
    folder = resources.files(package) / "migrations"
    if not folder.is_dir():
        return []
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)


async def migrate(connection: Connection, service: str) -> list[str]:
    """Run what has not run yet: first the kernel's migrations, then the service's. Return the names of those run.

    Each runs in a transaction of its own; `{service}` in a file stands for the service's login role. Raises MigrationChanged.
    """
    ran = []
    # Two set-ups at once take turns.
    await connection.execute("SELECT pg_advisory_lock(7310001)")
    try:
        await connection.execute(_RECORD)
        for part, package in (("kernel", "shared.database"), (service, f"services.{service}")):
            done = {
                row["name"]: row["digest"]
                for row in await connection.fetch("SELECT name, digest FROM migrations WHERE part = $1", part)
            }
            for file in _files(package):
                text = file.read_text(encoding="utf-8")
                digest = hashlib.sha256(text.encode()).hexdigest()
                if file.name in done:
                    if done[file.name] != digest:
                        raise MigrationChanged(f"{part}/{file.name} has run and was changed since")
                    continue
                async with connection.transaction():
                    await connection.execute(text.replace("{service}", service))
                    await connection.execute(
                        "INSERT INTO migrations (part, name, digest) VALUES ($1, $2, $3)", part, file.name, digest
                    )
                ran.append(f"{part}/{file.name}")
    finally:
        await connection.execute("SELECT pg_advisory_unlock(7310001)")
    return ran
