"""After `lockbox up` has ended, however it ended, no process of it is left, or the next one ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from deploy.local.choices import PORTS
from tests.integration.local.ups import Ups, answers, base_of
from tests.running import processes_of


async def test_sigterm_ends_one_system_and_ctrl_c_the_other_that_ran_beside_it(up: Ups) -> None:
    one, two = await asyncio.gather(up("one"), up("two"))
    for ended, how in ((one, signal.SIGTERM), (two, signal.SIGINT)):
        assert len(processes_of(ended.data)) == len(PORTS)
        await answers(ended.state["request_api"])
        await ended.end(how)
        assert ended.process.returncode == 0
        assert processes_of(ended.data) == []
        assert ended.current()["ready"] is False
        assert ended.current()["pids"] == {}


async def test_after_a_kill_of_the_supervisor_the_next_up_ends_what_was_left_and_goes_on(up: Ups) -> None:
    # Without `setpriv` on the path nothing tells the children of the kill, so all of them outlive it.
    one = await up(PATH=str(Path(sys.executable).parent))
    kept = (one.data / "kept.json").read_text()
    await one.end(signal.SIGKILL)
    assert len(processes_of(one.data)) == len(PORTS)
    again = await up(base=base_of(one))
    assert len(processes_of(one.data)) == len(PORTS)
    assert not set(one.state["pids"].values()) & set(again.state["pids"].values())
    assert (one.data / "kept.json").read_text() == kept
    assert f"ending {len(PORTS)} processes that a killed `lockbox up` left behind" in await again.end()
    assert processes_of(one.data) == []
