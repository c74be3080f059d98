"""A served audit with people, one for each test file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from shared.database.pool import Pool
from tests import servers, story
from tests.integration.audit.parts import Somebody, append, serving, settings_of, somebody


@dataclass(frozen=True)
class System:
    """The app as its readers meet it; `pool` is the service's own."""

    http: httpx.AsyncClient
    pool: Pool
    admin: Somebody
    dpo: Somebody
    auditor: Somebody
    helpdesk: Somebody
    nobody: Somebody
    fabrikam: Somebody
    ada: Somebody
    max: Somebody


@pytest.fixture(scope="module")
async def system(postgres: servers.PostgresServer, rabbitmq: servers.RabbitServer) -> AsyncIterator[System]:
    databases, brokers = servers.Databases(postgres.url), servers.Brokers(rabbitmq)
    people = {
        "admin": somebody("admin@contoso.example", "contoso", "global_admin"),
        "dpo": somebody("dpo@contoso.example", "contoso", "lockbox_approver"),
        "auditor": somebody("auditor@contoso.example", "contoso", "auditor"),
        "helpdesk": somebody("helpdesk@contoso.example", "contoso", "user_admin"),
        "nobody": somebody("user@contoso.example", "contoso"),
        "fabrikam": somebody("auditor@fabrikam.example", "fabrikam", "auditor"),
        "ada": somebody("ada@provider.example", "provider", "auditor"),
        "max": somebody("max@provider.example", "provider", "manager", "engineer", "operator"),
    }
    try:
        settings = settings_of(await databases("audit"), await brokers())
        async with serving(settings) as http:
            await append(http, story.registered("contoso"), story.registered("fabrikam"))
            await append(http, *(event for person in people.values() for event in person.events()))
            yield System(http, http.app.state.audit.pool, **people)  # type: ignore[attr-defined]  # Put there by `serving`.
    finally:
        await brokers.delete()
        await databases.drop()
