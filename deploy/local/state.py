"""The data folder of one local system: its lock, what was chosen once and is kept, its logs, and `state.json`."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.local.account import write_private
from deploy.local.process import MARK


class InUseError(RuntimeError):
    """Another `lockbox up` holds the data folder."""


class DataFolder:
    """A folder with `kept.json` (secrets, ports, identity), `state.json`, `logs/`, and the servers' own folders."""

    def __init__(self, path: Path) -> None:
        # The servers' own accounts pass through to their folders; what is secret here is 0600 or 0700 by itself.
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        self.path = path.resolve()
        self._lock: int | None = None
        self._ports: dict[str, int] = {}

    def lock(self) -> None:
        """Hold the folder until this process ends; raise InUseError where another one does."""
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
            os.close(handle)
            raise InUseError(f"{self.path} is in use by another `lockbox up` (process {holder})") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Give the value kept under this name, made at the first call ever."""
        kept = self._all_kept()
        if name not in kept:
            kept[name] = make()
            self._keep(kept)
        return kept[name]

    def kept(self, name: str) -> Any:
        """Give what is kept under this name, or None."""
        return self._all_kept().get(name)

    def secret(self, name: str) -> str:
        value: str = self.once(name, lambda: secrets.token_urlsafe(24))
        return value

    def port(self, name: str) -> int:
        """Give the port kept under this name, or a new one where there is none or somebody else took it.

        Within one run it never changes, for others were told of it.
        """
        if name not in self._ports:
            port: int = self.once(f"{name}_port", free_port)
            if not is_free(port):
                port = free_port()
                self._keep(self._all_kept() | {f"{name}_port": port})
            self._ports[name] = port
        return self._ports[name]

    def log_origin(self) -> str:
        """Give the name of this system's log, independent of addresses, chosen at the first start."""
        origin: str = self.once("log_origin", lambda: f"lockbox.local/{secrets.token_hex(4)}")
        return origin

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    @property
    def mark(self) -> str:
        """What the environment of each of this system's processes carries; a copy of the folder has another one."""
        return f"{self.secret('system')}:{self.path}"

    def environment(self) -> dict[str, str]:
        """Give the environment that every child gets: ours without our settings, and with the mark."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LOCKBOX_")}
        return {**ours, MARK: self.mark}

    def write_state(self, state: Mapping[str, Any]) -> None:
        write_private(self.path / "state.json", json.dumps(state, indent=1) + "\n")

    def _keep(self, kept: dict[str, Any]) -> None:
        write_private(self.path / "kept.json", json.dumps(kept, indent=1) + "\n")

    def _all_kept(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads((self.path / "kept.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return kept


def free_port() -> int:
    """Give a port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
