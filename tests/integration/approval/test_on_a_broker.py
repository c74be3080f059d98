"""The whole service on a real RabbitMQ: what it hears becomes requests, what it decides becomes messages."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.approval.app import build
from shared.events.envelope import Event
from shared.lifecycle import RequestState, evolve
from shared.security.bearer import internal_headers
from shared.settings import Settings
from tests.integration.approval.system import (
    Approval,
    approval_on,
    refused,
    settings_for,
    types,
    window_closed,
    withdrawn,
    write_key,
)
from tests.kernel import publish, until
from tests.relaying import Tap, all_confirmed, tapping
from tests.running import free_port_base
from tests.servers import Broker, Brokers, Databases

MAX, DPO = "max@provider.example", "dpo@contoso.example"


@asynccontextmanager
async def serving(url: str, broker: Broker, approval: Approval) -> AsyncIterator[Approval]:
    """Run the app with all its tasks, and give it in place of the one without."""
    settings = approval.settings.model_copy(
        update={"amqp_url": settings_for(url, Path("none"), broker.urls["approval"]).amqp_url, "demo": True}
    )
    app = build(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://approval") as http,
    ):
        yield Approval(approval.pool, settings, approval.key, app, http, approval.inbox)


@asynccontextmanager
async def everything_on(make_database: Databases, make_broker: Brokers, folder: Path) -> AsyncIterator[Any]:
    url, broker = await make_database("approval"), await make_broker()
    async with approval_on(url, folder) as approval, tapping(broker) as tap:
        async with serving(url, broker, approval) as running:
            yield running, broker, tap


async def send(broker: Broker, event: Event) -> None:
    service = event.source.rpartition("/")[2]
    await publish(broker.urls[service], event.raw, event.type, user_id=service)


async def in_state(approval: Approval, request_id: str, state: str) -> bool:
    response = await approval.call(MAX, "GET", f"/v1/requests/{request_id}")
    return response.status_code == 200 and response.json()["state"] == state


async def told_of(tap: Tap, subject: str, *expected: str) -> list[Event]:
    """Wait until the events of a subject from this service have come, in their order."""

    def seen() -> list[Event]:
        return [event for event in tap.events if event.subject == subject and event.source == "/services/approval"]

    await until(lambda: len(seen()) >= len(expected))
    assert tuple(types(seen())) == expected
    return seen()


@pytest.mark.delivery
async def test_requests_come_in_and_decisions_go_out_by_messages(
    make_database: Databases, make_broker: Brokers, tmp_path: Path
) -> None:
    async with everything_on(make_database, make_broker, tmp_path) as (approval, broker, tap):
        await until(lambda: ready(approval))
        # A grant, and everybody who hears of it comes to the state that this service shows.
        submission = await approval.submission()
        await send(broker, submission)
        await until(lambda: in_state(approval, submission.subject, "awaiting_provider"))
        await approval.done(MAX, f"/v1/requests/{submission.subject}/provider-approve")
        granted = await approval.done(DPO, f"/v1/requests/{submission.subject}/approve")
        facts = ("request.provider_approved", "request.vote_cast", "request.approved")
        events = await told_of(tap, submission.subject, *facts)
        heard = RequestState()
        for event in (*events, submission):
            heard = evolve(heard, event)
        shown = heard.view(events[-1].time)
        assert shown.state == granted["state"] == "approved"
        assert shown.grant is not None
        assert shown.grant.id == granted["grant"]["id"]
        # A withdrawal that crossed it ends the grant; nobody has to call.
        await send(broker, withdrawn(granted))
        await told_of(tap, submission.subject, *facts, "access.revoked")
        # A window that closed on nothing decided.
        late = await approval.submission(window=submission.data.duration * -1)
        await send(broker, late)
        await send(broker, window_closed(late.payload | {"id": late.subject}))
        await told_of(tap, late.subject, "request.expired")
        # A poison event is kept aside, where an operator sees it.
        again = await approval.submission(request_id=late.subject)
        await send(broker, again)
        await until(lambda: has_dead(approval, late.subject))
        refused(await approval.http.get("/internal/dead-letters"), 401, "not_authenticated")
        assert await all_confirmed(approval.pool)


async def ready(approval: Approval) -> bool:
    response = await approval.http.get("/readyz")
    checks = response.json()["checks"]
    assert checks.keys() == {"database", "broker", "relay", "demo"}
    return response.status_code == 200


async def has_dead(approval: Approval, subject: str) -> bool:
    headers = internal_headers(approval.settings.internal_secret)
    listed = (await approval.http.get("/internal/dead-letters", headers=headers)).json()
    return [one["subject"] for one in listed["dead_letters"]] == [subject]


async def test_the_process_serves_until_it_is_told_to_stop(
    make_database: Databases, make_broker: Brokers, tmp_path: Path
) -> None:
    url, broker = await make_database("approval"), await make_broker()
    key_file = write_key(tmp_path)
    process = await start(settings_for(url, key_file, broker.urls["approval"]))
    assert process.stdout is not None
    lines = []
    async for line in process.stdout:
        lines.append(line.decode())
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", lines[-1]):
            break
    else:
        raise AssertionError("".join(lines))
    async with httpx.AsyncClient(base_url=found[1], trust_env=False) as http:
        assert (await http.get("/healthz")).status_code == 200
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0


async def test_a_key_that_others_can_read_is_refused_in_one_line(tmp_path: Path) -> None:
    key_file = write_key(tmp_path)
    key_file.chmod(0o644)
    process = await start(settings_for("postgresql://x@127.0.0.1:1/x", key_file))
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().splitlines() == [
        f"approval: LOCKBOX_TOKEN_KEY_FILE: {key_file} can be read by others: chmod 600 {key_file}"
    ]


async def start(settings: Settings) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ["PATH"],
        "LOCKBOX_DATABASE_URL": settings.database_url.get_secret_value(),
        "LOCKBOX_AMQP_URL": settings.amqp_url.get_secret_value(),
        "LOCKBOX_INTERNAL_SECRET": settings.internal_secret.get_secret_value(),
        "LOCKBOX_TOKEN_KEY_FILE": str(settings.token_key_file),
        "LOCKBOX_PORT": str(free_port_base()),
        "PYTHONUNBUFFERED": "1",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.approval",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
