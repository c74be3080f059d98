"""What an impostor on the broker can do to the running services: nothing, and each of them keeps the evidence."""

from collections.abc import AsyncIterator
from typing import Any

import aiormq
import asyncpg
import httpx
import pytest

from shared.events.catalogue import CATALOGUE, SERVICES, owned_by
from shared.messaging.subscriptions import CONSUMES
from tests.kernel import event_of, publish, submitted, until
from tests.servers import PASSWORDS, PostgresServer, RabbitServer
from tests.system import Person, System, asks, running_system

pytestmark = pytest.mark.delivery
HOST = "e2e-smuggled"


@pytest.fixture(scope="module")
async def system(postgres: PostgresServer, rabbitmq: RabbitServer) -> AsyncIterator[System]:
    async with running_system(postgres, rabbitmq, virtual_host=HOST) as running:
        yield running


@pytest.fixture(scope="module")
async def impostor(system: System, rabbitmq: RabbitServer) -> AsyncIterator[str]:
    """A user whom the broker lets speak in anybody's name, as an administrator could make one."""
    async with httpx.AsyncClient(base_url=rabbitmq.management_url, timeout=20, trust_env=False) as management:
        body = {"password": "impostor", "tags": "impersonator"}
        assert (await management.put("/api/users/impostor", json=body)).is_success
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        assert (await management.put(f"/api/permissions/{HOST}/impostor", json=rights)).is_success
        place = rabbitmq.amqp_url.rpartition("@")[2].partition("/")[0]
        yield f"amqp://impostor:impostor@{place}/{HOST}"
        await management.delete("/api/users/impostor")


async def quarantined(system: System, service: str) -> list[tuple[str, str | None]]:
    connection = await asyncpg.connect(system.databases[service])
    try:
        rows = await connection.fetch("SELECT reason, user_id FROM quarantine ORDER BY id")
    finally:
        await connection.close()
    return [(row["reason"], row["user_id"]) for row in rows]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_foreign_type_a_missing_or_false_user_and_a_smuggled_key_are_quarantined_by_every_service(
    system: System, impostor: str, rabbitmq: RabbitServer, service: str
) -> None:
    wanted = min(CONSUMES[service])
    owner = CATALOGUE[wanted].owner
    stranger = next(other for other in SERVICES if other not in {owner, service})
    body = event_of(submitted()).raw.replace(b"lockbox.request.submitted.v1", wanted.encode())
    before = len(await quarantined(system, service))

    await publish(impostor, body, wanted, user_id=None)
    await publish(impostor, body, wanted, user_id=stranger)
    # What RabbitMQ itself lets an honest user of one service do: its own key, and another's as a carbon copy.
    place = rabbitmq.amqp_url.rpartition("@")[2].partition("/")[0]
    own = f"amqp://{stranger}:{PASSWORDS[stranger]}@{place}/{HOST}"
    smuggled = {"user_id": stranger, "headers": {"CC": [wanted]}}
    try:
        await publish(own, body, owned_by(stranger)[0], **smuggled)  # type: ignore[arg-type]
    except aiormq.exceptions.ChannelAccessRefused:
        # RabbitMQ 4 looks at the carbon copies too; the consumer's own check must hold all the same.
        await publish(impostor, body, owned_by(stranger)[0], **smuggled)  # type: ignore[arg-type]

    async def kept() -> bool:
        return len(await quarantined(system, service)) >= before + 3

    await until(kept)
    found = (await quarantined(system, service))[before:]
    assert ("user_id is missing", None) in found
    assert (f"{stranger} does not own {wanted}", stranger) in found
    assert ("a CC or BCC header carries other routing keys", stranger) in found


async def test_after_all_that_the_services_work_and_the_provider_reads_what_was_tried(system: System) -> None:
    await system.ready()
    eve, ada = await system.person("eve@provider.example"), await system.person("ada@provider.example")
    request = (await eve.does("request_api", "POST", "/v1/requests", asks()))["id"]
    await ada.awaits("audit", request, "awaiting_provider")
    noted = await _events(ada, "lockbox.log.message_quarantined.v1")
    assert {event["data"]["reason"] for event in noted} >= {"user_id is missing"}
    assert {event["tenantid"] for event in noted} == {"provider"}
    for person in (eve, ada):
        await person.close()


async def _events(person: Person, kind: str) -> list[dict[str, Any]]:
    answer = await person.does("audit", "GET", f"/v1/events?type={kind}&limit=100")
    return list(answer["events"])
