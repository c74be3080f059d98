"""The roles that an issuer gives by its groups: how long they count, for whom, and how they end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.approval.system import Approval, refused, types
from tests.oidc_provider.provider import PORTAL, Browser, Provider
from tests.oidc_provider.world import (
    ADMIN,
    approve,
    call,
    five_minutes_later,
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


async def test_a_group_that_was_taken_is_gone_with_the_next_word_of_the_issuer(
    approval: Approval, provider: Provider
) -> None:
    provider.put("gwen", email="gwen@contoso.example", groups=["privacy", "revision"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "gwen")
        session, known = browser.session, await me(approval, browser)
        assert known["roles"] == ["auditor", "lockbox_approver"]
        provider.put("gwen", email="gwen@contoso.example", groups=["revision"])
        await browser.open("/oidc/renew?next=/v1/realms/x/issuers")
        assert (await me(approval, browser))["roles"] == ["auditor"]
        assert browser.session == session
        last = (await approval.published(known["id"]))[-1]
        assert (types([last]), last.data.role, last.data.through) == (
            ["member.role_removed"],
            "lockbox_approver",
            issuer_id,
        )
        refused(await approve(approval, browser), 403, "forbidden")


async def test_a_role_by_a_group_decides_nothing_five_minutes_after_the_issuer_last_said_so(
    approval: Approval, provider: Provider
) -> None:
    provider.put("sten", email="sten@contoso.example", groups=["privacy"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "sten")
        member_id, session = (await me(approval, browser))["id"], browser.session
        await five_minutes_later(approval, member_id)
        refused(await approve(approval, browser), 403, "roles_stale")
        # He still sees what he saw: only decisions wait for the issuer.
        assert (await call(approval, browser, "GET", "/v1/requests")).status_code == 200
        page = await browser.open("/oidc/renew?next=/v1/realms/x/issuers")
        assert page.status_code == 200
        assert not any("/interaction/" in url for url in browser.seen[-3:])
        assert browser.session == session
        assert (await approve(approval, browser)).status_code == 200
        # Nothing was different: nothing is told.
        assert types(await approval.published(member_id)) == ["member.added", "member.role_assigned"]


async def test_an_administrator_by_group_administers_while_that_is_fresh_and_is_never_the_last_one(
    approval: Approval, provider: Provider
) -> None:
    provider.put("boss", email="boss@contoso.example", groups=["bosses"])
    async with (
        trusted(approval, provider, mapping={"bosses": "global_admin"}) as issuer_id,
        Browser(approval.app) as browser,
    ):
        await browser.sign_in(issuer_id, "boss")
        members = "/v1/tenants/contoso/members"
        new = {"email": "newcomer@contoso.example", "name": "New"}
        assert (await call(approval, browser, "POST", members, new)).status_code == 201
        # Nobody else has set up an account of his own: the issuer alone could let people in again.
        refused(await call(approval, browser, "DELETE", f"{members}/{ADMIN}"), 409, "last_global_admin")
        await five_minutes_later(approval, (await me(approval, browser))["id"])
        stale = await call(approval, browser, "POST", members, new | {"email": "another@contoso.example"})
        refused(stale, 403, "roles_stale")
        refused(await call(approval, browser, "DELETE", f"/v1/tenants/contoso/issuers/{issuer_id}"), 403, "roles_stale")


async def test_a_page_of_the_portal_has_the_issuer_confirm_roles_by_itself(
    approval: Approval, provider: Provider
) -> None:
    provider.put("petra", email="petra@contoso.example", groups=["privacy"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        browser.http.headers["accept"] = "text/html"
        await browser.sign_in(issuer_id, "petra", next_path="/account")
        known = await me(approval, browser)
        assert known["stale_roles"] == []
        await five_minutes_later(approval, known["id"])
        assert (await me(approval, browser))["stale_roles"] == ["lockbox_approver"]
        page = await browser.open("/requests?state=awaiting_customer")
        assert (page.status_code, str(page.url)) == (200, f"{PORTAL}/requests?state=awaiting_customer")
        assert f"{PORTAL}/oidc/{issuer_id}/start?prompt=none" in " ".join(browser.seen)
        assert (await me(approval, browser))["stale_roles"] == []


async def test_a_role_that_people_gave_too_stays_when_the_group_is_taken(
    approval: Approval, provider: Provider
) -> None:
    provider.put("dora", email="dora@contoso.example", groups=["revision"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "dora")
        member_id = (await me(approval, browser))["id"]
        await approval.pool.execute("INSERT INTO member_roles (member_id, role) VALUES ($1, 'auditor')", member_id)
        provider.put("dora", email="dora@contoso.example", groups=[])
        await browser.open("/oidc/renew")
        assert (await me(approval, browser))["roles"] == ["auditor"]
        await approval.pool.execute("DELETE FROM member_roles WHERE member_id = $1", member_id)
        assert (await me(approval, browser))["roles"] == []


async def test_an_issuers_word_on_roles_counts_in_its_own_sessions_alone(
    approval: Approval, provider: Provider
) -> None:
    provider.put("pass", email="pass@contoso.example", groups=["privacy"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "pass")
        request_id = await approval.passed_on()
        by_password = await approval.call("pass@contoso.example", "POST", f"/v1/requests/{request_id}/approve", {})
        refused(by_password, 403, "roles_stale")


async def test_a_silent_renewal_does_not_become_another_persons_session(approval: Approval, provider: Provider) -> None:
    for account in ("anna", "bert"):
        provider.put(account, email=f"{account}@contoso.example", groups=["privacy"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "anna")
        session = browser.session
        for cookie in list(browser.http.cookies.jar):
            if cookie.domain == "127.0.0.1":
                browser.http.cookies.delete(cookie.name, cookie.domain, cookie.path)
        async with Browser(approval.app) as other:
            await other.sign_in(issuer_id, "bert")
            for cookie in other.http.cookies.jar:
                if cookie.domain == "127.0.0.1":
                    browser.http.cookies.jar.set_cookie(cookie)
        said_on(await browser.open("/oidc/renew"), "somebody else is signed in")
        assert browser.session == session
        assert (await me(approval, browser))["email"] == "anna@contoso.example"


async def test_removing_the_issuer_ends_its_sessions_and_roles(approval: Approval, provider: Provider) -> None:
    provider.put("rolf", email="rolf@contoso.example", groups=["privacy", "revision"])
    async with trusted(approval, provider) as issuer_id, Browser(approval.app) as browser:
        await browser.sign_in(issuer_id, "rolf")
        member_id = (await me(approval, browser))["id"]
        gone = await approval.call(ADMIN, "DELETE", f"/v1/tenants/contoso/issuers/{issuer_id}")
        assert gone.status_code == 204, gone.text
        refused(await call(approval, browser, "GET", "/v1/me"), 401, "token_invalid")
        told = (await approval.published(member_id))[3:]
        assert types(told) == ["member.role_removed", "member.role_removed", "member.session_revoked"]
        assert {one.data.through for one in told[:2]} == {issuer_id}
        assert {one.data.by.email for one in told} == {ADMIN}
        assert (await approval.published("contoso"))[-1].data.issuer_id == issuer_id
        page = await browser.open(f"/oidc/{issuer_id}/start")
        assert page.status_code == 404
    # Added again it speaks of the same people, by the mapping that it has now.
    async with (
        trusted(approval, provider, mapping={"privacy": "user_admin"}) as issuer_id,
        Browser(approval.app) as browser,
    ):
        await browser.sign_in(issuer_id, "rolf")
        known = await me(approval, browser)
        assert (known["id"], known["roles"]) == (member_id, ["user_admin"])
