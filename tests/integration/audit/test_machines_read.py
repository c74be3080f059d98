"""Machine clients read the log of their realm by their tokens, until they are revoked; each read names them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.events.envelope import new_id, read
from shared.security.tokens import issue_client
from tests.integration.audit.conftest import System
from tests.integration.audit.parts import KEY, append, caught_up, client_created, client_revoked

READ = "lockbox.log.read.v1"


def headers(client_id: str, realm: str, scope: str = "audit:read") -> dict[str, str]:
    token = issue_client(
        KEY,
        client_id=client_id,
        realm=realm,
        scope=scope,
        token_id=new_id(),
        now=datetime.now(UTC),
        lifetime=timedelta(hours=1),
    )
    return {"Authorization": f"Bearer {token}"}


async def known(system: System, realm: str, *scopes: str) -> str:
    """Have audit know of a client."""
    client_id = new_id()
    await append(system.http, client_created(client_id, realm, *scopes))
    await caught_up(system.http)
    return client_id


async def test_a_tenants_client_sees_its_log_alone_and_stands_in_it(system: System) -> None:
    client_id = await known(system, "contoso", "audit:read")
    shown = headers(client_id, "contoso")
    answer = await system.http.get("/v1/events", params={"limit": 1000}, headers=shown)
    assert answer.status_code == 200, answer.text
    assert {event["tenantid"] for event in answer.json()["events"]} == {"contoso"}
    for other in ("fabrikam", "provider"):
        assert (await system.http.get("/v1/events", params={"tenant": other}, headers=shown)).status_code == 404
    rows = await system.pool.fetch(
        "SELECT body FROM leaves JOIN payloads USING (position) WHERE tenant = 'contoso' AND type = $1", READ
    )
    notes = [event for event in (read(row["body"]) for row in rows) if event.subject == client_id]
    assert len(notes) == 1
    assert (notes[0].actor.id, notes[0].actor.type) == (client_id, "client")
    assert (notes[0].data.reader, notes[0].data.name, notes[0].data.email) == (client_id, "SIEM", None)


async def test_a_providers_client_sees_every_log(system: System) -> None:
    client_id = await known(system, "provider", "audit:read")
    answer = await system.http.get("/v1/events", params={"limit": 1000}, headers=headers(client_id, "provider"))
    assert {"contoso", "fabrikam", "provider"} <= {event["tenantid"] for event in answer.json()["events"]}


async def test_a_client_is_refused_from_the_moment_it_is_revoked(system: System) -> None:
    client_id = await known(system, "contoso", "audit:read")
    shown = headers(client_id, "contoso")
    assert (await system.http.get("/v1/events", headers=shown)).status_code == 200
    await append(system.http, client_revoked(client_id, "contoso"))
    await caught_up(system.http)
    answer = await system.http.get("/v1/events", headers=shown)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


async def test_a_revocation_that_comes_first_counts(system: System) -> None:
    client_id = new_id()
    await append(system.http, client_revoked(client_id, "contoso"))
    await append(system.http, client_created(client_id, "contoso", "audit:read"))
    await caught_up(system.http)
    assert (await system.http.get("/v1/events", headers=headers(client_id, "contoso"))).status_code == 401


async def test_a_client_that_is_not_known_yet_is_told_to_come_back(system: System) -> None:
    answer = await system.http.get("/v1/events", headers=headers(new_id(), "contoso"))
    assert (answer.status_code, answer.json()["code"]) == (503, "state_unknown")


@pytest.mark.parametrize(("has", "asks"), [("audit:read", "other"), ("other", "audit:read")])
async def test_a_scope_counts_only_where_both_client_and_token_have_it(system: System, has: str, asks: str) -> None:
    client_id = await known(system, "contoso", has)
    answer = await system.http.get("/v1/events", headers=headers(client_id, "contoso", asks))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_client_of_one_realm_is_none_of_another(system: System) -> None:
    client_id = await known(system, "fabrikam", "audit:read")
    for realm in ("contoso", "provider"):
        answer = await system.http.get("/v1/events", headers=headers(client_id, realm))
        assert answer.status_code == 503
