"""The gate is open only while `approval` is heard: not under a stopped relay, and all the time under steady load."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from services.request_api.commands.act import Actions
from tests.integration.request_api.world import World
from tests.kernel import until

STALENESS = timedelta(seconds=2)


async def heard(here: World) -> datetime:
    moment: datetime = await here.database.fetchval("SELECT complete_until FROM freshness WHERE service = 'approval'")
    return moment


async def test_the_gate_closes_when_approval_is_not_heard_and_opens_when_it_is_again(here: World) -> None:
    granted = await here.granted()
    patient, impatient = here.core.actions, Actions(here.core.pool, staleness=STALENESS)
    here.use(actions=impatient)
    await here.fresh()
    assert (await here.act(granted.headers)).status_code == 201
    await here.approval.stop()
    last = await heard(here)

    async def is_stale() -> bool:
        return bool(await here.database.fetchval("SELECT clock_timestamp() > $1", last + STALENESS))

    try:
        await until(is_stale)
        refused = await here.act(granted.headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "state_stale")
        assert int(refused.headers["retry-after"]) > 0
        (event,) = await here.events(granted.id, "action.refused")
        assert (event.payload["action_id"], event.payload["code"]) == (refused.json()["action_id"], "state_stale")
    finally:
        await here.approval.start()
        await here.fresh()
        here.use(actions=patient)
        await impatient.close()
    assert (await here.act(granted.headers)).status_code == 201


async def test_the_gate_stays_open_under_steady_load_of_events_and_actions(here: World) -> None:
    """The word of approval gets through between its events, of which there is no end."""
    granted = await here.granted()
    began, stop = await heard(here), asyncio.Event()
    codes: set[int] = set()

    async def tell() -> None:
        while not stop.is_set():
            await here.person("engineer")

    async def act() -> None:
        while not stop.is_set():
            codes.add((await here.act(granted.headers)).status_code)

    async def was_heard_again() -> bool:
        return await heard(here) >= began + timedelta(seconds=3)

    workers = [asyncio.create_task(work()) for work in (tell, tell, act, act)]
    try:
        await until(was_heard_again)
    finally:
        stop.set()
        await asyncio.gather(*workers)
    assert codes == {201}
