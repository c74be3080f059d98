"""The private PostgreSQL: closed to whoever has no password and to other machines, and as durable as any."""

from __future__ import annotations

import os
import stat

import asyncpg
import psutil
import pytest

from deploy.local.postgres import Postgres
from deploy.local.state import DataFolder
from tests.servers import data_folder


def listeners(pid: int) -> set[str]:
    """The addresses on which a process waits for connections."""
    connections = psutil.Process(pid).net_connections("inet")
    return {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}


async def test_nobody_comes_in_without_the_password(own_postgres: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(own_postgres.url, password="guessed")
    connection = await asyncpg.connect(own_postgres.url)
    rules = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    await connection.close()
    assert [rule["auth_method"] for rule in rules] == ["scram-sha-256"]


async def test_it_listens_on_the_loopback_alone_and_its_folders_are_closed(own_postgres: Postgres) -> None:
    assert own_postgres.pid is not None
    assert listeners(own_postgres.pid) == {"127.0.0.1"}
    connection = await asyncpg.connect(own_postgres.url)
    folders = [await connection.fetchval(f"SHOW {name}") for name in ("data_directory", "unix_socket_directories")]
    await connection.close()
    assert [stat.S_IMODE(os.stat(folder).st_mode) for folder in folders] == [0o700, 0o700]  # noqa: PTH116


async def test_it_never_runs_as_root(own_postgres: Postgres) -> None:
    assert own_postgres.pid is not None
    owner = psutil.Process(own_postgres.pid).uids().effective
    assert owner == os.geteuid() or (os.geteuid() == 0 and owner != 0)


async def test_what_is_committed_is_on_the_disk(own_postgres: Postgres) -> None:
    connection = await asyncpg.connect(own_postgres.url)
    settings = [
        await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")
    ]
    await connection.close()
    assert settings == ["on", "on", "on"]


async def test_data_password_and_port_survive_a_restart(own_postgres: Postgres) -> None:
    url = own_postgres.url
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    await connection.close()
    await own_postgres.restart()
    assert own_postgres.url == url
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT answer FROM kept") == 42
    await connection.close()


async def test_a_server_left_by_a_killed_supervisor_is_ended_and_its_data_go_on() -> None:
    with data_folder() as folder:
        left = Postgres(folder)
        await left.start()
        connection = await asyncpg.connect(left.url)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        await connection.close()
        # The next start knows only the folder, not the process.
        following = Postgres(DataFolder(folder.path))
        try:
            await following.start()
            assert await left.wait() == 0
            connection = await asyncpg.connect(following.url)
            assert await connection.fetchval("SELECT answer FROM kept") == 42
            await connection.close()
        finally:
            await following.stop()
            await left.stop()
