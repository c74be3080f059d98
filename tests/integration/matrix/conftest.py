"""A running system with everybody in it, for the services that know people by what they hear of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from tests.integration.matrix.people import PEOPLE, WITHOUT_ROLE
from tests.integration.notifier.catching import Catcher, catching
from tests.kernel import until
from tests.servers import PostgresServer, RabbitServer
from tests.system import Person, System, asks, running_system

PASSWORD = "a sentence that nobody else has typed"


@dataclass(frozen=True)
class Everybody:
    """Each of PEOPLE with a session, one of contoso's machine clients, and a request of Eve's that was granted."""

    system: System
    people: dict[str, Person]
    machine: Person
    request_id: str
    grant_id: str
    event_id: str


@pytest.fixture(scope="package")
async def everybody(postgres: PostgresServer, rabbitmq: RabbitServer) -> AsyncIterator[Everybody]:
    async with (
        catching() as mail,
        running_system(postgres, rabbitmq, virtual_host="matrix", smtp_url=mail.url) as system,
    ):
        people = {who: await system.person(email) for who, email in PEOPLE.items() if email != WITHOUT_ROLE}
        people["provider_nobody"] = await _without_role(system, people["operator"], mail)
        machine = await _machine(system, people["global_admin"])
        request = (await people["engineer"].does("request_api", "POST", "/v1/requests", asks()))["id"]
        await people["manager"].awaits("approval", request, "awaiting_provider")
        await people["manager"].does("approval", "POST", f"/v1/requests/{request}/provider-approve", {})
        await people["lockbox_approver"].does("approval", "POST", f"/v1/requests/{request}/approve", {})
        granted = await people["engineer"].awaits("request_api", request, "approved")
        await people["auditor"].awaits("audit", request, "approved")
        told = await people["auditor"].does("audit", "GET", f"/v1/requests/{request}")
        await known(system, machine, people["provider_nobody"])
        yield Everybody(system, people, machine, request, granted["grant"]["id"], told["events"][0]["id"])
        for person in (*people.values(), machine):
            await person.close()


async def known(system: System, machine: Person, nobody: Person) -> None:
    """Wait until the others have heard of those who were added last."""

    async def heard() -> bool:
        read = await machine.call("audit", "GET", "/v1/events")
        asked = await nobody.call("request_api", "GET", "/v1/requests")
        refused = await nobody.call("audit", "GET", "/v1/events")
        return (read.status_code, asked.status_code, refused.status_code) == (200, 403, 403)

    await until(heard, seconds=20)


async def _without_role(system: System, operator: Person, mail: Catcher) -> Person:
    await operator.does("approval", "POST", "/v1/tenants/provider/members", {"email": WITHOUT_ROLE, "name": "Nemo"})

    async def arrived() -> bool:
        return bool(mail.to(WITHOUT_ROLE))

    await until(arrived, seconds=20)
    link = re.search(r"/setup\?token=(\S+)", mail.to(WITHOUT_ROLE)[0].text)
    assert link is not None
    async with httpx.AsyncClient(base_url=system.urls["approval"], trust_env=False, timeout=20) as http:
        set_up = await http.post("/v1/setup", json={"token": link[1], "password": PASSWORD})
        assert set_up.is_success, set_up.text
        body = {"realm": "provider", "email": WITHOUT_ROLE, "password": PASSWORD}
        return Person(system.urls, (await http.post("/v1/sessions", json=body)).json()["access_token"])


async def _machine(system: System, admin: Person) -> Person:
    body = {"name": "log reader", "scopes": ["audit:read"]}
    made = await admin.does("approval", "POST", "/v1/tenants/contoso/clients", body)
    form = {"grant_type": "client_credentials", "client_id": made["id"], "client_secret": made["secret"]}
    async with httpx.AsyncClient(base_url=system.urls["approval"], trust_env=False, timeout=20) as http:
        return Person(system.urls, (await http.post("/v1/token", data=form)).json()["access_token"])
