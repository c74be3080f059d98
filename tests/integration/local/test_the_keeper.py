"""The process that keeps the servers of a parallel run: one of each for all who ask, and none is left after the run."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from tests import keeper
from tests.kernel import until

# A run that is killed: it has started its keeper, says where, and gets no chance to tidy up.
RUN = "import time; from tests.keeper import Kept; print(Kept().path, flush=True); time.sleep(600)"


async def answers(url: str) -> bool:
    try:
        await (await asyncpg.connect(url, timeout=5)).close()
    except (OSError, asyncpg.PostgresError):
        return False
    return True


async def test_all_who_ask_get_the_same_server_and_none_is_left_when_the_run_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LOCKBOX_DATABASE_URL", raising=False)
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, stdout=asyncio.subprocess.PIPE)
    assert run.stdout is not None
    path = (await run.stdout.readline()).decode().strip()
    first, second = await asyncio.gather(keeper.ask(path, "postgres"), keeper.ask(path, "postgres"))
    assert first == second
    assert await answers(first["url"])

    run.send_signal(signal.SIGKILL)
    await run.wait()

    async def gone() -> bool:
        return not Path(path).parent.exists() and not await answers(first["url"])

    await until(gone, seconds=30)


async def test_a_server_that_cannot_be_started_is_told_to_who_asks(tmp_path: Path) -> None:
    stopped = keeper.Keeper()

    async def fails(name: str) -> dict[str, str]:
        raise OSError(f"no {name} here")

    stopped._start = fails  # type: ignore[method-assign]
    path = str(tmp_path / "socket")
    async with await asyncio.start_unix_server(stopped.answer, path):
        with pytest.raises(RuntimeError, match="no rabbitmq here"):
            await keeper.ask(path, "rabbitmq")
