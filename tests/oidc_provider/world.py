"""A service whose people sign in at the certified provider, and what its tests do with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.approval.system import Approval, approval_on
from tests.oidc_provider.provider import PORTAL, Browser, NotHere, Provider, client, installed, running
from tests.servers import Databases, PostgresServer

ADMIN = "admin@contoso.example"
MAPPING = {"privacy": "lockbox_approver", "revision": "auditor"}
CLIENTS = [
    client("of-rs256"),
    client("of-ps256", "PS256", token_endpoint_auth_method="client_secret_post"),
    client("of-es256", "ES256"),
    client("of-eddsa", "EdDSA"),
    client("public", token_endpoint_auth_method="none"),
]
ALGORITHM = {"of-ps256": "PS256", "of-es256": "ES256", "of-eddsa": "EdDSA"}


@asynccontextmanager
async def service(postgres: PostgresServer, folder: Path) -> AsyncIterator[Approval]:
    """Run the service where it may call this machine, with the portal at the address that `Browser` knows."""
    databases = Databases(postgres.url)
    differing = {"portal_url": PORTAL, "outbound_allow": (ip_network("127.0.0.0/8"),)}
    try:
        async with approval_on(await databases("approval"), folder, differing=differing) as made:
            yield made
    finally:
        await databases.drop()


@asynccontextmanager
async def real_issuer(folder: Path, **options: Any) -> AsyncIterator[Provider]:
    """Run the provider; skip the test where it cannot be had."""
    try:
        installed_in = await asyncio.to_thread(installed)
    except NotHere as why:
        pytest.skip(f"no real issuer: {why}")
    async with running(installed_in, folder, CLIENTS, **options) as started:
        yield started


@asynccontextmanager
async def trusted(
    approval: Approval, provider: Provider, client_id: str = "of-rs256", **changes: Any
) -> AsyncIterator[str]:
    """Have contoso trust the provider for the length of the block; give the issuer's id."""
    registered = next(one for one in CLIENTS if one["client_id"] == client_id)
    body = {
        "issuer": provider.issuer,
        "name": "Contoso's own",
        "client_id": client_id,
        "algorithm": ALGORITHM.get(client_id, "RS256"),
        "mapping": MAPPING,
        **({"client_secret": registered["client_secret"]} if "client_secret" in registered else {}),
        **changes,
    }
    response = await approval.call(ADMIN, "POST", "/v1/tenants/contoso/issuers", body)
    assert response.status_code == 201, response.text
    issuer_id: str = response.json()["id"]
    try:
        yield issuer_id
    finally:
        gone = await approval.call(ADMIN, "DELETE", f"/v1/tenants/contoso/issuers/{issuer_id}")
        assert gone.status_code in (204, 404), gone.text


async def call(approval: Approval, browser: Browser, method: str, path: str, body: Any = None) -> httpx.Response:
    """Call the API with the browser's session."""
    return await approval.http.request(method, path, json=body, headers={"authorization": f"Bearer {browser.session}"})


async def me(approval: Approval, browser: Browser) -> dict[str, Any]:
    response = await call(approval, browser, "GET", "/v1/me")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def approve(approval: Approval, browser: Browser) -> httpx.Response:
    request_id = await approval.passed_on()
    return await call(approval, browser, "POST", f"/v1/requests/{request_id}/approve", {})


async def five_minutes_later(approval: Approval, member_id: str) -> None:
    """Move the clock of what the issuer said of somebody."""
    await approval.pool.execute(
        "UPDATE group_roles SET said_at = said_at - interval '5 minutes' WHERE member_id = $1", member_id
    )


def said_on(page: httpx.Response, text: str) -> None:
    assert page.status_code == 403, page.text
    assert page.headers["content-type"].startswith("text/html")
    assert text in page.text
