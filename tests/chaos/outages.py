"""What the outage tests share: submissions that go on through an outage, and what must be true after it."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field

import asyncpg
import httpx

from tests.kernel import until
from tests.system import Person, System, asks

PAUSE_SECONDS = 0.05


@dataclass
class Submissions:
    """What a client that submits all the time was answered."""

    accepted: list[str] = field(default_factory=list)
    refused: list[httpx.Response] = field(default_factory=list)
    broken: int = 0

    async def go_on(self, eve: Person) -> None:
        """Submit until cancelled; a call that is under way is finished and counted."""
        while True:
            await asyncio.shield(asyncio.create_task(self._one(eve)))
            await asyncio.sleep(PAUSE_SECONDS)

    async def _one(self, eve: Person) -> None:
        try:
            answer = await eve.call("request_api", "POST", "/v1/requests", asks())
        except httpx.HTTPError:
            self.broken += 1
            return
        if answer.status_code == 201:
            self.accepted.append(answer.json()["id"])
        else:
            self.refused.append(answer)


async def submitted_in_log(system: System) -> Counter[str]:
    """Count the RequestSubmitted leaves of each request in audit's log."""
    connection = await asyncpg.connect(system.databases["audit"])
    try:
        rows = await connection.fetch("SELECT subject FROM leaves WHERE type = 'lockbox.request.submitted.v1'")
    finally:
        await connection.close()
    return Counter(row["subject"] for row in rows)


async def everything_accepted_is_in_the_log_once(system: System, submissions: Submissions) -> None:
    """Wait until all that was accepted has arrived; fail when something is missing or there twice."""

    async def arrived() -> bool:
        return set(submissions.accepted) <= set(await submitted_in_log(system))

    await until(arrived, seconds=40)
    counted = await submitted_in_log(system)
    assert set(counted.values()) == {1}
    # A call whose answer was lost may have been committed; nothing else may be there that nobody was told of.
    assert len(set(counted) - set(submissions.accepted)) <= submissions.broken


async def nothing_died(system: System) -> None:
    """No service has a dead letter, a quarantined message or an event that still waits."""
    for service, url in system.databases.items():
        connection = await asyncpg.connect(url)
        try:
            for table, what in (("dead_letters", "error"), ("quarantine", "reason"), ("parked", "waits_for")):
                found = await connection.fetch(f"SELECT {what} FROM {table} LIMIT 3")
                assert not found, (service, table, [row[0] for row in found])
        finally:
            await connection.close()


async def stop_gently(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
