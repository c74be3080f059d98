"""The services keep to their own documents: sound and broken calls of every operation, as different people.

Schemathesis makes the calls from the OpenAPI documents and judges the answers: no 5xx, no status, form or header that is not
documented, no broken input taken.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.config import CacheConfig, ChecksConfig, PositiveDataAcceptanceConfig, ProjectConfig, ProjectsConfig
from schemathesis.config import SchemathesisConfig as Config
from schemathesis.config._checks import NegativeDataRejectionConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.servers import PostgresServer, RabbitServer
from tests.system import Person, System, asks, running_system

Operation = APIOperation[Any, Any, Any, Any]

EXAMPLES: Final = {GenerationMode.POSITIVE: 4, GenerationMode.NEGATIVE: 4}
SEED: Final = 20180406
# What never ends is followed by tests of its own; what ends the caller's session would leave the rest untried.
LEFT_OUT: Final = {"GET /v1/events/stream", "DELETE /v1/sessions/current", "GET /metrics"}
# Sound by its form and refused by a rule: a grant type or role that nobody knows, a common password, a wrong code.
ACCEPTED: Final = ["2xx", "400", "401", "403", "404", "406", "409", "410", "422", "429", "503"]
# What exceeds a field's length may exceed the body's (413).
REFUSED: Final = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "503"]
PEOPLE: Final = {
    "approval": ("otto@provider.example", "admin@contoso.example", "max@provider.example", "eve@provider.example"),
    "request_api": ("eve@provider.example", "max@provider.example"),
    "audit": ("ada@provider.example", "auditor@contoso.example"),
}


@pytest.fixture(scope="module")
async def system(postgres: PostgresServer, rabbitmq: RabbitServer) -> AsyncIterator[System]:
    async with running_system(postgres, rabbitmq, virtual_host="contract", portal_host="localhost") as running:
        yield running


@pytest.fixture(scope="module")
async def people(system: System) -> AsyncIterator[dict[str, Person]]:
    """Sign everybody in before a call with wrong passwords makes this address wait."""
    found = {email: await system.person(email) for emails in PEOPLE.values() for email in emails}
    yield found
    for person in found.values():
        await person.close()


@pytest.fixture(scope="module")
async def known(system: System) -> AsyncIterator[dict[str, list[str]]]:
    """Values for paths, so that calls meet what is there: a request in each stage, a grant, a member who is no one else."""
    eve, manager = await system.person("eve@provider.example"), await system.person("max@provider.example")
    dpo, admin = await system.person("dpo@contoso.example"), await system.person("admin@contoso.example")
    try:
        waiting, passed, granted = [
            (await eve.does("request_api", "POST", "/v1/requests", asks()))["id"] for _ in range(3)
        ]
        for request in (waiting, passed, granted):
            await manager.awaits("approval", request, "awaiting_provider")
        for request in (passed, granted):
            await manager.does("approval", "POST", f"/v1/requests/{request}/provider-approve", {})
        grant = (await dpo.does("approval", "POST", f"/v1/requests/{granted}/approve", {}))["grant"]["id"]
        body = {"email": "mia@contoso.example", "name": "Mia"}
        await admin.does("approval", "POST", "/v1/tenants/contoso/members", body)
        await eve.awaits("request_api", granted, "approved")
        yield {
            "request_id": [waiting, passed, granted],
            "id": [waiting, passed, granted],
            "grant_id": [grant],
            "tenant_id": ["contoso"],
            "realm": ["contoso", "provider"],
            "email": [body["email"]],
            "role": ["auditor"],
        }
    finally:
        for person in (eve, manager, dpo, admin):
            await person.close()


def config() -> Config:
    checks = ChecksConfig(
        positive_data_acceptance=PositiveDataAcceptanceConfig(expected_statuses=ACCEPTED),
        negative_data_rejection=NegativeDataRejectionConfig(expected_statuses=REFUSED),
    )
    return Config(
        seed=SEED,
        cache=CacheConfig(enabled=False),
        projects=ProjectsConfig(default=ProjectConfig(checks=checks)),
    )


def try_operation(operation: Operation, person: Person, known: dict[str, list[str]], url: str) -> list[str]:
    """Make calls of one operation; give what is wrong with the answers."""
    found: list[str] = []
    session = requests.Session()
    session.trust_env = False
    for mode, examples in EXAMPLES.items():
        turn = iter(range(1000))

        @seed(SEED)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: Case[Any]) -> None:
            number = next(turn)  # noqa: B023 - Called before the next turn of the loop.
            if mode is GenerationMode.POSITIVE:  # noqa: B023
                for name in set(case.path_parameters or {}) & set(known):
                    case.path_parameters[name] = known[name][number % len(known[name])]
            if "wait" in (case.query or {}):
                case.query["wait"] = 0
            try:
                case.call_and_validate(
                    base_url=url, session=session, headers={"Authorization": f"Bearer {person.token}"}, timeout=20
                )
            except FailureGroup as failures:
                found.extend(f"{operation.label}: {failure}" for failure in failures.exceptions)

        # An operation without input knows no broken one.
        with contextlib.suppress(Unsatisfiable):
            call()
    return found


@pytest.mark.parametrize(
    ("service", "email"), [(service, email) for service, emails in PEOPLE.items() for email in emails]
)
async def test_every_answer_is_documented(
    service: str, email: str, system: System, known: dict[str, list[str]], people: dict[str, Person]
) -> None:
    url = system.urls[service]
    async with httpx.AsyncClient(trust_env=False) as http:
        document: dict[str, Any] = (await http.get(f"{url}/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document, config=config())
    operations: list[Operation] = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == len(list(schema.get_all_operations())), "every operation's description is sound"
    wrong: list[str] = []
    for operation in operations:
        if operation.label not in LEFT_OUT:
            wrong += await asyncio.to_thread(try_operation, operation, people[email], known, url)
    assert not wrong, f"{len(wrong)} faults\n" + "\n".join(sorted(set(wrong)))
