"""Decisions at fifty a second with all five services at work, and the list of what waits among a hundred thousand requests."""

import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from shared.events.envelope import Actor, Draft, new_id, write
from shared.events.requests import ProviderApproved, RequestExpired, RequestSubmitted
from shared.events.values import Data, Decider, Engineer, Reason, Resource
from shared.lifecycle import RequestState, evolve
from tests import servers
from tests.bench.load import percentile, post
from tests.system import Person, asks, running_system

RATE = 50
DECISIONS = 1_000
CONNECTIONS = 8
TENANTS = 1_000
REQUESTS = 100_000
LISTS = 200
COLUMNS = (
    *("id", "tenant", "engineer_id", "state", "provider_approved_at", "life", "revision"),
    *("service", "engineer_email", "submitted_at", "decide_by", "search"),
)
LIST = "/v1/requests?state={}&order=deadline"

_EVE = Engineer(
    id=new_id(), email="ed@provider.example", name="Ed Eng", employer="Provider", job_title="SRE", country="IE"
)
_MAX = Decider(id=new_id(), email="max@provider.example", name="Max Moreau", roles=["manager"], method="password")


async def approvable(eve: Person, manager: Person, dpo: Person, count: int) -> list[str]:
    """Have so many requests that wait for the customer, each the long way: submitted, heard of, approved by the manager."""
    slots = asyncio.Semaphore(CONNECTIONS)

    async def one() -> str:
        async with slots:
            made = await eve.does("request_api", "POST", "/v1/requests", asks(duration="PT1H"))
            for _ in range(400):
                answer = await manager.call("approval", "POST", f"/v1/requests/{made['id']}/provider-approve", {})
                if answer.status_code == 200:
                    return str(made["id"])
                await asyncio.sleep(0.05)
            raise AssertionError(answer.text)

    found = await asyncio.gather(*(one() for _ in range(count)))
    await dpo.awaits("approval", found[-1], "awaiting_customer")
    return list(found)


async def at_rate(port: int, requests: Sequence[bytes], rate: float) -> list[float]:
    """Send requests at a rate, whatever the answers take; give the seconds from when each was due until its answer."""
    took: list[float] = []
    numbers = iter(range(len(requests)))
    began = time.perf_counter()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(requests[number])
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]))
            took.append(time.perf_counter() - due)
            assert head[9:12] == b"200", body
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(one())
    return took


def lives(tenants: Sequence[str], count: int) -> Iterator[tuple[Any, ...]]:
    """Give rows of requests as approval stores them: of each tenant's a third waits for it, a tenth for the provider."""
    chosen = random.Random(1)
    now = datetime.now(UTC)
    for number in range(count):
        tenant, request_id = tenants[number % len(tenants)], new_id()
        asked = now - timedelta(seconds=chosen.randrange(1, 40_000))
        submitted = RequestSubmitted(
            request_id=request_id,
            tenant=tenant,
            service="exchange-online",
            ticket=f"T-{number}",
            reason=Reason(category="customer_support", detail="The mailbox does not open. " * 8),
            resources=[Resource(id=f"exchange-online/mailboxes/m{n}", operations=["read", "write"]) for n in range(3)],
            duration=timedelta(hours=2),
            engineer=_EVE,
            submitted_at=asked,
            decide_by=now + timedelta(seconds=chosen.randrange(3_600, 600_000)),
        )
        state = _told(RequestState(), submitted, asked, "request_api")
        share = number // len(tenants) % 10
        if share:
            state = _told(state, _passed_on(submitted, state), asked, "approval")
        if share > 3:
            over = RequestExpired(request_id=request_id, tenant=tenant, decide_by=submitted.decide_by, stage="customer")
            state = _told(state, over, asked, "approval")
        yield (
            request_id,
            tenant,
            _EVE.id,
            state.state(now),
            state.provider_approved_at,
            state.model_dump_json(),
            1,
            submitted.service,
            _EVE.email,
            asked,
            submitted.decide_by,
            f"{submitted.ticket}\n{_EVE.name}\n{_EVE.email}\n{submitted.reason.detail}".lower(),
        )


def _told(state: RequestState, fact: Data, at: datetime, service: str) -> RequestState:
    draft = Draft(fact, "t", "s", Actor("bench", "service"), revision=1)
    return evolve(state, write(draft, service=service, sequence=1, time=at))


def _passed_on(submitted: RequestSubmitted, state: RequestState) -> ProviderApproved:
    assert state.digest is not None
    return ProviderApproved(
        request_id=submitted.request_id,
        tenant=submitted.tenant,
        resources=submitted.resources,
        duration=submitted.duration,
        settings_version=1,
        request_digest=state.digest,
        approver=_MAX,
        approvals_required=1,
    )


async def fill(url: str) -> None:
    """Store a hundred thousand requests of a thousand tenants, contoso's among them."""
    connection = await asyncpg.connect(url)
    try:
        tenants = ["contoso", *(f"bench-{number}" for number in range(1, TENANTS))]
        await connection.copy_records_to_table("requests", records=lives(tenants, REQUESTS), columns=COLUMNS)
        await connection.execute("ANALYZE requests")
    finally:
        await connection.close()


def _get(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def decisions(port: int, eve: Person, manager: Person, dpo: Person) -> dict[str, Any]:
    waiting = await approvable(eve, manager, dpo, DECISIONS)
    body = json.dumps({"comment": "Fine.", "duration": "PT30M"}).encode()
    approvals = [post(f"/v1/requests/{one}/approve", body, token=dpo.token) for one in waiting]
    await at_rate(port, approvals[:50], RATE)
    return _row(f"decisions at {RATE} a second, p99 in ms", await at_rate(port, approvals[50:], RATE))


async def lists(port: int, manager: Person, dpo: Person) -> list[dict[str, Any]]:
    rows = []
    for name, person, state in (
        ("a tenant's requests that wait", dpo, "awaiting_customer"),
        ("all tenants' that wait for the provider", manager, "awaiting_provider"),
    ):
        calls = [_get(LIST.format(state), person.token)] * LISTS
        rows.append(_row(f"{name}, of {REQUESTS:,}, p99 in ms", await at_rate(port, calls, 10)))
    return rows


def _row(name: str, took: list[float]) -> dict[str, Any]:
    middle, late = (percentile(took, share) * 1000 for share in (0.5, 0.99))
    return {
        "name": name,
        "ours": late,
        "limit": None,
        "ratio": None,
        "aim": "under 50 ms",
        "limit_is": f"p50 {middle:.1f} ms",
    }


async def run(postgres: servers.PostgresServer, rabbitmq: servers.RabbitServer) -> list[dict[str, Any]]:
    async with running_system(postgres, rabbitmq, virtual_host="bench-decisions") as system:
        eve, manager, dpo = [
            await system.person(email)
            for email in ("eve@provider.example", "max@provider.example", "dpo@contoso.example")
        ]
        port = urlsplit(system.urls["approval"]).port or 0
        try:
            await fill(system.databases["approval"])
            return [await decisions(port, eve, manager, dpo), *await lists(port, manager, dpo)]
        finally:
            for person in (eve, manager, dpo):
                await person.close()


async def main() -> None:
    async with servers.any_postgres() as postgres, servers.any_rabbitmq() as rabbitmq:
        for row in await run(postgres, rabbitmq):
            print(row)


if __name__ == "__main__":
    asyncio.run(main())
