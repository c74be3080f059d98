"""Set-up of a service's database: a NOLOGIN owner, a login role with no more rights than it needs, and the migrations."""

from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from shared.database.migrate import migrate
from shared.events.catalogue import SERVICES


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def url_with(url: str, *, user: str | None = None, password: str | None = None, database: str | None = None) -> str:
    """Return the address with another user, password or database; its host, port and options stay."""
    parts = urlsplit(url)
    netloc = parts.netloc
    if user is not None:
        place = netloc.rpartition("@")[2]
        netloc = f"{quote(user, safe='')}:{quote(password or '', safe='')}@{place}"
    path = parts.path if database is None else f"/{quote(database, safe='')}"
    return urlunsplit((parts.scheme, netloc, path, parts.query, ""))


async def provision_database(admin_url: str, service: str, password: str, *, database: str | None = None) -> str:
    """Make or bring up to date one service's database; return the address that the service itself uses. Idempotent.

    The owner `<service>_owner` cannot log in and owns every table; the login role `<service>` reads and writes, and changes no
    table's shape. `database` is the service's name unless given.
    """
    if service not in SERVICES:
        raise ValueError(f"{service} is not a service; known are {', '.join(SERVICES)}")
    database = database or service
    owner = f"{service}_owner"
    admin = await asyncpg.connect(admin_url, timeout=10)
    try:
        # Roles belong to the whole server: two set-ups at once take turns.
        async with admin.transaction():
            await admin.execute("SELECT pg_advisory_xact_lock(7310002)")
            known = {row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles")}
            if owner not in known:
                await admin.execute(f"CREATE ROLE {_quoted(owner)} NOLOGIN")
            if service not in known:
                await admin.execute(f"CREATE ROLE {_quoted(service)} LOGIN")
            await admin.execute(f"ALTER ROLE {_quoted(service)} PASSWORD {_literal(password)}")
            # An administrator that is no superuser must be a member to act as the owner.
            await admin.execute(f"GRANT {_quoted(owner)} TO CURRENT_USER")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await admin.execute(
                f"CREATE DATABASE {_quoted(database)} OWNER {_quoted(owner)} TEMPLATE template0 ENCODING 'UTF8'"
            )
        await admin.execute(f"REVOKE ALL ON DATABASE {_quoted(database)} FROM PUBLIC")
        await admin.execute(f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {_quoted(service)}")
    finally:
        await admin.close()

    inside = await asyncpg.connect(url_with(admin_url, database=database), timeout=10)
    try:
        await inside.execute(f"SET ROLE {_quoted(owner)}")
        await inside.execute(
            f"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {_quoted(service)}"
        )
        await inside.execute(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {_quoted(service)};"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {_quoted(service)}"
        )
        await migrate(inside, service)
        await inside.execute(f"REVOKE ALL ON TABLE migrations FROM {_quoted(service)}")
    finally:
        await inside.close()
    return url_with(admin_url, user=service, password=password, database=database)
