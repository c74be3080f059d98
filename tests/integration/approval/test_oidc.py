"""People sign in at a real issuer, the certified provider from npm, and are here who it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.approval.system import Approval, refused, types
from tests.oidc_provider.provider import CALLBACK, PORTAL, Browser, Provider, query_of
from tests.oidc_provider.world import (
    ADMIN,
    approve,
    call,
    me,
    said_on,
    service,
    trusted,
)
from tests.servers import PostgresServer


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    async with service(postgres, tmp_path_factory.mktemp("approval")) as made:
        yield made


async def test_somebody_new_becomes_a_member_with_the_roles_of_his_groups_and_decides(
    approval: Approval, provider: Provider
) -> None:
    provider.put("nina", email="Nina@contoso.example", name="Nina Nowak", groups=["privacy", "football"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        page = await browser.sign_in(issuer_id, "nina", next_path="/v1/realms/contoso/issuers?after=1")
        assert str(page.url) == f"{PORTAL}/v1/realms/contoso/issuers?after=1"
        known = await me(approval, browser)
        facts = ("realm", "email", "name", "roles")
        assert [known[name] for name in facts] == [
            "contoso",
            "nina@contoso.example",
            "Nina Nowak",
            ["lockbox_approver"],
        ]
        added, assigned = await approval.published(known["id"])
        assert types([added, assigned]) == ["member.added", "member.role_assigned"]
        assert (added.data.by, assigned.data.by) == (None, None)
        assert (assigned.data.role, assigned.data.through) == ("lockbox_approver", issuer_id)
        decided = await approve(approval, browser)
        assert (decided.status_code, decided.json()["state"]) == (200, "approved")
        (approved,) = [
            one for one in await approval.published(decided.json()["id"]) if one.type.endswith("approved.v1")
        ][1:]
        assert (approved.data.approver.email, approved.data.approver.method) == ("nina@contoso.example", "oidc")


@pytest.mark.parametrize("client_id", ["of-ps256", "of-es256", "of-eddsa", "public"])
async def test_each_algorithm_and_kind_of_client_signs_in(
    approval: Approval, provider: Provider, client_id: str
) -> None:
    provider.put(client_id, email=f"{client_id}@contoso.example", email_verified=True, groups="revision")
    async with trusted(approval, provider, client_id) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, client_id)
        known = await me(approval, browser)
        assert (known["name"], known["roles"]) == (client_id, ["auditor"])


async def test_an_issuer_cannot_take_over_a_member_whom_people_added(approval: Approval, provider: Provider) -> None:
    provider.put("thief", email=ADMIN, groups=["privacy"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        before = await approval.everything()
        said_on(await browser.sign_in(issuer_id, "thief"), f"{ADMIN} is a member already")
        assert browser.session is None
        assert await approval.everything() == before


async def test_a_member_who_was_removed_does_not_come_back_through_the_issuer(
    approval: Approval, provider: Provider
) -> None:
    provider.put("gone", email="gone@contoso.example", groups=["privacy"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "gone")
        removed = await approval.call(ADMIN, "DELETE", "/v1/tenants/contoso/members/gone@contoso.example")
        assert removed.status_code == 204, removed.text
        refused(await call(approval, browser, "GET", "/v1/me"), 401, "token_invalid")
        said_on(await browser.sign_in(issuer_id, "gone"), "You were removed")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"groups": ["privacy"]}, "does not tell your e-mail address"),
        ({"email": "not an address"}, "does not tell your e-mail address"),
        ({"email": "new@contoso.example", "email_verified": False}, "has not verified"),
    ],
)
async def test_somebody_new_without_an_address_is_told_so(
    approval: Approval, provider: Provider, claims: dict[str, Any], said: str
) -> None:
    provider.put("bare", **claims)
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        said_on(await browser.sign_in(issuer_id, "bare"), said)
        assert browser.session is None


async def test_a_callback_counts_once_and_in_its_own_browser(approval: Approval, provider: Provider) -> None:
    provider.put("rory", email="rory@contoso.example", groups=[])
    async with (
        trusted(approval, provider) as issuer_id,
        Browser(approval.app) as browser,
        Browser(approval.app) as other,
    ):
        await browser.sign_in(issuer_id, "rory", until=CALLBACK)
        first = browser.seen[-1]
        said_on(await other.open(first), "begun in another browser")
        assert other.session is None
        # Whoever had the address may have had the code: it counts nowhere any more.
        said_on(await browser.open(first), "was finished before")
        await browser.sign_in(issuer_id, "rory", until=CALLBACK)
        second = browser.seen[-1]
        assert (await browser.open(second)).status_code == 200
        session = browser.session
        assert session is not None
        said_on(await browser.open(second), "was finished before")
        assert browser.session == session


async def test_a_sign_in_that_took_too_long_counts_no_more(approval: Approval, provider: Provider) -> None:
    provider.put("slow", email="slow@contoso.example", groups=[])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "slow", until=CALLBACK)
        await approval.pool.execute("UPDATE oidc_flows SET expires_at = expires_at - interval '10 minutes'")
        said_on(await browser.open(browser.seen[-1]), "has taken too long")


async def test_somebody_who_declines_is_not_signed_in(approval: Approval, provider: Provider) -> None:
    provider.put("dave", email="dave@contoso.example", groups=[])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        page = await browser.open(f"/oidc/{issuer_id}/start")
        said_on(await browser.open(f"{page.url}/abort"), "declined")
        assert browser.session is None


async def test_what_the_issuer_is_asked_carries_pkce_a_nonce_and_a_state_of_one_sign_in(
    approval: Approval, provider: Provider
) -> None:
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        asked = []
        for _ in range(2):
            await browser.open(f"/oidc/{issuer_id}/start", until=provider.issuer)
            asked.append(query_of(browser.seen[-1]))
        for query in asked:
            assert query["code_challenge_method"] == "S256"
            assert (query["response_type"], query["redirect_uri"]) == ("code", CALLBACK)
            assert "client_secret" not in query
        for name in ("state", "nonce", "code_challenge"):
            assert asked[0][name] != asked[1][name]
        rows = repr(await approval.pool.fetch("SELECT * FROM oidc_flows"))
        assert not any(query[name] in rows for query in asked for name in ("state", "nonce"))


@pytest.mark.parametrize(
    "wish", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/%0d%0aa:b", "evil"]
)
async def test_no_sign_in_leads_to_another_site(approval: Approval, provider: Provider, wish: str) -> None:
    account = f"wish{abs(hash(wish)) % 10**6}"
    provider.put(account, email=f"{account}@contoso.example", groups=[])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        page = await browser.sign_in(issuer_id, account, next_path=wish, until=CALLBACK)
        back = await browser.http.get(browser.seen[-1])
        assert page.is_redirect
        assert httpx.URL(back.headers["location"]).is_relative_url
        assert back.headers["location"].startswith("/")
        assert not back.headers["location"].startswith(("//", "/\\"))


async def test_the_same_new_person_in_two_browsers_at_once_is_one_member(
    approval: Approval, provider: Provider
) -> None:
    provider.put("twin", email="twin@contoso.example", groups=["privacy"])
    async with (
        trusted(approval, provider) as issuer_id,
        Browser(approval.app) as one,
        Browser(approval.app) as two,
    ):
        for browser in (one, two):
            await browser.sign_in(issuer_id, "twin", until=CALLBACK)
        await asyncio.gather(one.open(one.seen[-1]), two.open(two.seen[-1]))
        first, second = await me(approval, one), await me(approval, two)
        assert first["id"] == second["id"]
        assert types(await approval.published(first["id"])) == ["member.added", "member.role_assigned"]
