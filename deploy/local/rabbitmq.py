"""A private RabbitMQ node: its own name, ports, port mapper, cookie, data and administrator, all on the loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx

from deploy.local.account import Account, make_home, own, unprivileged, write_private
from deploy.local.process import Process, StartError
from deploy.local.rabbitmq_program import Program, find_program
from deploy.local.state import DataFolder

START_SECONDS = 90
STOP_MILLISECONDS = 2000
VIRTUAL_HOST = "lockbox"
MEMORY_SHARE = 0.4
MEMORY_LIMIT_MB = 2048


class RabbitMQ:
    """One node with its own data folder; its password, its ports and its data are kept over restarts."""

    name = "rabbitmq"

    def __init__(self, folder: DataFolder, say: Callable[[str], None], root: Path | None = None) -> None:
        self._folder = folder
        self._say = say
        self._root = root
        self._password = folder.secret("rabbitmq_password")
        self._ports = dict.fromkeys(("amqp", "management", "distribution", "epmd"), 0)
        self._home: Path | None = None
        self._epmd: Process | None = None
        self._node: Process | None = None

    @property
    def amqp_url(self) -> str:
        """The administrator's address of the virtual host."""
        return f"amqp://admin:{self._password}@127.0.0.1:{self._ports['amqp']}/{VIRTUAL_HOST}"

    @property
    def management_url(self) -> str:
        return f"http://admin:{self._password}@127.0.0.1:{self._ports['management']}"

    @property
    def pid(self) -> int | None:
        return self._node.pid if self._node else None

    async def start(self) -> None:
        """Start the port mapper and the node, and return when the node takes connections."""
        program = await find_program(self._folder, self._say, self._root)
        account = _account(program)
        self._home = home = self._make_home(program, account)
        for name in self._ports:
            self._ports[name] = self._folder.port(name)
        inside = home if program.root is None else Path("/") / home.relative_to(program.root)
        self._write_files(home, inside, account)
        env = self._environment(inside)
        self._epmd = self._epmd or self._process("epmd", program, program.epmd, env, account)
        self._node = self._process(self.name, program, program.script, env, account)
        await self._epmd.start()
        await self._node.start()
        await self._takes_connections(self._node)

    async def wait(self) -> int:
        if self._node is None:
            raise StartError("rabbitmq was never started")
        return await self._node.wait()

    async def stop(self) -> None:
        for process in (self._node, self._epmd):
            if process is not None:
                await process.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def remove(self) -> None:
        """Remove the data of a stopped node, wherever they are."""
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def _make_home(self, program: Program, account: Account | None) -> Path:
        if program.root is None:
            return make_home(self._folder.path / "rabbitmq", account)
        # Inside the other root the node sees only what is below it, and enters it from there, whoever owns the parents.
        home = program.root / "srv" / f"openlockbox-{self._folder.once('rabbitmq_root', lambda: secrets.token_hex(6))}"
        home.mkdir(mode=0o700, exist_ok=True)
        own(home, account)
        return home

    def _process(
        self, name: str, program: Program, path: Path, env: dict[str, str], account: Account | None
    ) -> Process:
        arguments = ["-port", str(self._ports["epmd"]), "-address", "127.0.0.1"] if path == program.epmd else []
        return Process(
            name,
            [*program.command(path, account), *arguments],
            env=env,
            log=self._folder.log(name),
            folder=Path("/"),
            account=None if program.root else account,  # `chroot` needs root, and changes the user itself.
            patience=20,
        )

    def _environment(self, home: Path) -> dict[str, str]:
        # An RABBITMQ_ variable of the user's own would change the private node.
        ours = {
            name: value
            for name, value in self._folder.environment().items()
            if not name.startswith(("RABBITMQ_", "ERL_")) and name != "NOTIFY_SOCKET"
        }
        # In its shutdown the management plugin waits 5 s for itself, after listeners and message stores are closed.
        arguments = f"-kernel inet_dist_use_interface {{127,0,0,1}} -shutdown_time {STOP_MILLISECONDS}"
        return {
            **ours,
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"{self._folder.once('rabbitmq_node', lambda: 'lockbox-' + secrets.token_hex(4))}@localhost",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{home}/generated",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_DIST_PORT": str(self._ports["distribution"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": arguments,
            # Two nodes on one machine must not pin their threads to the same cores.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            "ERL_EPMD_PORT": str(self._ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # The start script then becomes the node, instead of a shell that waits for it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_files(self, home: Path, inside: Path, account: Account | None) -> None:
        for name in ("data", "log", "generated"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
            own(home / name, account)
        write_private(home / ".erlang.cookie", self._folder.secret("rabbitmq_cookie"), account, mode=0o400)
        write_private(home / "rabbitmq-env.conf", "", account)
        write_private(home / "advanced.config", "[].\n", account)
        write_private(home / "enabled_plugins", "[rabbitmq_management].\n", account)
        write_private(home / "rabbitmq.conf", self._configuration(inside), account)
        write_private(home / "definitions.json", json.dumps(self._definitions(), indent=1), account)

    def _configuration(self, inside: Path) -> str:
        memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self._ports['amqp']}",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self._ports["management"],
            "load_definitions": inside / "definitions.json",
            "log.console.level": "info",
            # A node in another root has no /proc, so it sees neither the machine's memory nor its own there.
            "vm_memory_calculation_strategy": "erlang" if self._root else "rss",
            "vm_memory_high_watermark.absolute": f"{min(int(memory_mb * MEMORY_SHARE), MEMORY_LIMIT_MB)}MB",
            "disk_free_limit.absolute": "100MB",
            # The default of 512 MB, held in memory several times over by quorum queues, is for larger machines.
            "raft.wal_max_size_bytes": 64 * 1024 * 1024,
        }
        return "".join(f"{name} = {value}\n" for name, value in settings.items())

    def _definitions(self) -> dict[str, object]:
        salt = secrets.token_bytes(4)
        digest = hashlib.sha256(salt + self._password.encode()).digest()
        return {
            "vhosts": [{"name": VIRTUAL_HOST}],
            "users": [
                {
                    "name": "admin",
                    "password_hash": base64.b64encode(salt + digest).decode(),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": ["administrator"],
                },
            ],
            "permissions": [
                {"user": "admin", "vhost": VIRTUAL_HOST, "configure": ".*", "write": ".*", "read": ".*"},
            ],
        }

    async def _takes_connections(self, node: Process) -> None:
        check = f"{self.management_url}/api/health/checks/port-listener/{self._ports['amqp']}"
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for _ in range(START_SECONDS * 10):
                if not node.running:
                    await self.stop()
                    raise node.failure("ended while it started")
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(check)).is_success:
                        return
                await asyncio.sleep(0.1)
        await self.stop()
        raise node.failure(f"did not answer within {START_SECONDS} s")


def _account(program: Program) -> Account | None:
    try:
        # Inside another root, users are named as there: only `nobody` has the same number everywhere.
        return unprivileged(("nobody",) if program.root else ("rabbitmq", "nobody"))
    except LookupError:
        return None
