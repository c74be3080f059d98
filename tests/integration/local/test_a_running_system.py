"""What holds while `lockbox up` runs, tried with stand-ins for the services."""

from __future__ import annotations

import asyncio
import os
import signal
import stat

import pytest

from deploy.local.choices import PORTS
from tests import running
from tests.integration.local.ups import Ups, answers, base_of
from tests.running import NotReadyError, Running, free_port_base


async def test_a_child_that_dies_is_started_again_and_state_json_has_its_new_pid(one: Running) -> None:
    before = one.current()["pids"]["audit"]
    os.kill(before, signal.SIGKILL)
    while one.current()["pids"].get("audit", before) == before:  # noqa: ASYNC110 - Another process writes the file.
        await asyncio.sleep(0.05)
    await answers(one.state["audit"])
    assert {**one.current(), "pids": {}} == {**one.state, "pids": {}}
    assert set(one.current()["pids"]) == set(PORTS)


async def test_a_second_up_on_the_same_folder_is_refused_in_one_line(one: Running) -> None:
    with pytest.raises(NotReadyError) as refusal:
        await running.start(*running.LOCKBOX, "--data", str(one.data), data=one.data)
    assert str(refusal.value) == (
        f"lockbox: {one.data} is in use by another `lockbox up` (process {one.process.pid})\n"
    )
    await answers(one.state["approval"])


async def test_a_taken_port_is_told_in_one_line(one: Running, up: Ups) -> None:
    base = base_of(one)
    with pytest.raises(NotReadyError) as refusal:
        await up("two", base=base - 1)
    taken = f"lockbox: port {base} (approval) is taken: choose other ports with --port-base\n"
    assert taken in str(refusal.value)


async def test_what_is_secret_can_be_read_by_its_owner_alone(one: Running) -> None:
    secret = [one.data / name for name in ("state.json", "kept.json", "keys/sessions.pem", "keys/grants.pem")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in secret] == [0o600] * len(secret)


async def test_a_service_that_does_not_start_is_told_with_its_last_log_lines(up: Ups) -> None:
    base = free_port_base()
    with pytest.raises(NotReadyError) as failure:
        await up(base=base, STAND_IN_BROKEN=str(base + PORTS.index("notifier")))
    assert "notifier ended again and again" in str(failure.value)
    assert "the stand-in is broken, as it was told to be" in str(failure.value)
