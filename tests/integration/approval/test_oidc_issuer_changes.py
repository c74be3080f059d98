"""An issuer is restarted, with new keys, without its sessions, otherwise set up: people still get in, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.approval.system import Approval
from tests.oidc_provider.provider import CALLBACK, PORTAL, Browser, Provider, signing_keys
from tests.oidc_provider.world import (
    me,
    real_issuer,
    said_on,
    service,
    trusted,
)
from tests.servers import PostgresServer


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    async with service(postgres, tmp_path_factory.mktemp("approval")) as made:
        yield made


async def test_keys_that_were_rotated_are_found(approval: Approval, provider: Provider) -> None:
    provider.put("rota", email="rota@contoso.example", groups=[])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "rota")
        first = browser.session
        assert first is not None
        await provider.restart(jwks={"keys": signing_keys("second")})
        async with Browser(approval.app) as other:
            await other.sign_in(issuer_id, "rota")
            assert other.session not in (None, first)
            assert (await me(approval, other))["id"] == (await me(approval, browser))["id"]


async def test_a_renewal_asks_the_person_where_the_issuer_has_to(approval: Approval, provider: Provider) -> None:
    provider.put("rene", email="rene@contoso.example", groups=["privacy"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "rene")
        await provider.restart()  # It has forgotten who was signed in.
        page = await browser.open("/oidc/renew?next=/v1/realms/x/issuers")
        assert 'name="login"' in page.text
        while "<form" in page.text and not str(page.url).startswith(PORTAL):
            page = await browser.submit(
                page, **({"login": "rene", "password": "x"} if 'name="login"' in page.text else {})
            )
        assert str(page.url) == f"{PORTAL}/v1/realms/x/issuers"


async def test_an_issuer_that_is_down_is_said_to_be_and_the_next_sign_in_works(
    approval: Approval, provider: Provider
) -> None:
    provider.put("dean", email="dean@contoso.example", groups=[])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "dean", until=CALLBACK)
        await provider.stop()
        said_on(await browser.open(browser.seen[-1]), "does not answer")
        await provider.start()
        await browser.sign_in(issuer_id, "dean")
        assert browser.session is not None


async def test_claims_that_stand_in_the_id_token_are_taken_from_there(
    approval: Approval, provider: Provider, tmp_path: Path
) -> None:
    async with real_issuer(tmp_path, id_token_claims=True) as talkative:
        talkative.put("tess", email="tess@contoso.example", name="Tess", groups=["revision"])
        async with trusted(approval, talkative) as issuer_id, Browser(approval.app) as browser:
            await browser.sign_in(issuer_id, "tess")
            known = await me(approval, browser)
            assert (known["name"], known["roles"]) == ("Tess", ["auditor"])
