"""One child process: started in a group of its own, its output in a log file, and ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import psutil

from deploy.local.account import Account

# Every child and all that it starts carry this in their environment: how leftovers of a killed supervisor are known.
MARK = "OPENLOCKBOX_SYSTEM"
LOG_KEPT_BYTES = 20_000_000
TAIL_BYTES = 20_000
LINE_LIMIT = 300


class StartError(RuntimeError):
    """Something did not start; the message is for people and holds the last log lines where there are some."""


class Process:
    """A command that is started, waited for and stopped; it can be started again after it ended."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        folder: Path | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        patience: float = 12.0,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._env = dict(env)
        self._log = log
        self._folder = folder
        self._account = account
        self._stop_signal = stop_signal
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the command and return at once; raise StartError where it can't even be executed."""
        if self.running:
            return
        account = self._account
        with _open_log(self._log) as log:
            self._log_start = os.fstat(log.fileno()).st_size
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *_told_of_our_death(self._command, self._stop_signal),
                    env=self._env,
                    cwd=self._folder,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=() if account else None,
                )
            except OSError as error:
                raise StartError(f"{self.name} can't be started: {error}") from error

    async def wait(self) -> int:
        """Wait for the end and give the exit code, negative for a signal."""
        if self._process is None:
            raise StartError(f"{self.name} was never started")
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask for the end, insist after the patience, and leave nothing of the process group behind."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self._stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._patience)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def last_lines(self, count: int = 15) -> str:
        """Give the last lines that the process wrote since its newest start, indented to stand below a message."""
        try:
            with self._log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line[:LINE_LIMIT]}" for line in lines[-count:])

    def failure(self, what: str) -> StartError:
        """Make the error that tells what happened, where the log is, and its last lines."""
        lines = self.last_lines()
        return StartError(f"{self.name} {what}; its log is {self._log}" + (f", which ends:\n{lines}" if lines else ""))


def marked(mark: str) -> list[psutil.Process]:
    """Find the living processes that carry the mark of a system."""
    return [process for process in psutil.process_iter() if _carries(process, mark)]


def end(processes: Sequence[psutil.Process], stop_signal: signal.Signals, patience: float = 12.0) -> None:
    """End processes that are no children of ours: ask, wait for all together, then insist."""
    for wanted in (stop_signal, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(wanted)
        until = time.monotonic() + patience
        while any(_lives(process) for process in processes):
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        else:
            return


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.pid != os.getpid() and bool(process.environ().get(MARK) == mark) and _lives(process)
    except (psutil.Error, OSError):
        return False  # It ended meanwhile, or it is not ours to look at.


def _lives(process: psutil.Process) -> bool:
    # A zombie has ended: in a container nobody may ever collect it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _told_of_our_death(command: list[str], stop_signal: signal.Signals) -> list[str]:
    # The kernel then tells the child when its supervisor is killed; without setpriv, the next start cleans up.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--", *command] if setpriv else command


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_KEPT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
