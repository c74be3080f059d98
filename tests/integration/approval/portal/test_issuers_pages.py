"""The page of sign-in services: added at a real issuer, with rows for their groups and without a script, by those who may."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.approval.portal.administration import (
    ADMIN,
    AUDITOR,
    DPO,
    OTTO,
    USER,
    browser_of,
    statuses,
    went,
)
from tests.integration.approval.portal.browsing import form_to, forms_of, text_of
from tests.integration.approval.rules import require
from tests.integration.approval.system import Approval
from tests.oidc_provider.provider import Provider
from tests.oidc_provider.world import service
from tests.servers import PostgresServer

HOSTILE = '"><script>alert(1)</script>'
SECRET = "the-secret-of-the-issuer"


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    async with service(postgres, tmp_path_factory.mktemp("approval")) as made:
        yield made


def typed(**changes: Any) -> dict[str, Any]:
    return {
        "name": HOSTILE,
        "issuer": "https://nowhere.invalid",
        "client_id": "of-rs256",
        "client_secret": SECRET,
        "algorithm": "RS256",
        "group": ["privacy", "", "revision"],
        "role": ["lockbox_approver", "auditor", "auditor"],
    } | changes


async def test_everybody_with_a_role_reads_them_and_global_administrators_alone_add_some(approval: Approval) -> None:
    found = await statuses(approval, "/issuers", ADMIN, DPO, AUDITOR, OTTO)
    assert list(found.values()) == [200, 200, 200, 404]
    assert (await statuses(approval, "/issuers", USER))[USER] in (403, 404)
    for who in (DPO, AUDITOR):
        browser = await browser_of(approval, who)
        assert "added and removed by global administrators" in text_of(await browser.open("/issuers"))
        page = await browser.get("/issuers/add")
        assert page.status_code == 403
        assert not [form for form in forms_of(page) if form.action == "/issuers/add"]
        csrf = form_to(await browser.open("/account"), "/account/password").value("csrf")
        facts = [("csrf", csrf), *((name, str(value)) for name, value in typed().items())]
        assert (await browser.post("/issuers/add", facts)).status_code == 403


async def test_rows_are_added_without_a_script_and_keep_what_was_typed_but_for_the_secret(approval: Approval) -> None:
    admin = await browser_of(approval, ADMIN)
    form = form_to(await admin.open("/issuers/add"), "/issuers/add")
    more = await admin.send(form, step="more", **typed())
    fields = form_to(more, "/issuers/add").fields
    groups = [value for name, value in fields if name == "group"]
    assert (groups[:2], len(groups)) == (["privacy", "revision"], 6)
    assert ("name", HOSTILE) in fields
    assert SECRET not in more.text
    assert "<script>alert" not in more.text
    many = await admin.send(form, step="more", **typed(group=["x"] * 300, role=["auditor"] * 300))
    assert many.status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issuer": "http://example.com"}, 'id="issuer-error"'),
        ({"issuer": "javascript:alert(1)"}, 'id="issuer-error"'),
        ({"name": ""}, 'id="name-error"'),
        ({"group": ["a", "a"], "role": ["auditor", "user_admin"]}, "The same stands here twice"),
        ({"role": ["emperor"] * 3}, "problem"),
        ({"algorithm": "none"}, "problem"),
    ],
)
async def test_bad_input_is_said_at_its_field(approval: Approval, changes: dict[str, Any], said: str) -> None:
    admin = await browser_of(approval, ADMIN)
    form = form_to(await admin.open("/issuers/add"), "/issuers/add")
    page = await admin.send(form, **typed(**changes))
    assert page.status_code == 422
    assert said in page.text
    assert SECRET not in page.text
    assert form_to(page, "/issuers/add").value("client_id") == "of-rs256"


async def test_one_is_added_shown_without_its_secret_and_removed(approval: Approval, provider: Provider) -> None:
    admin = await browser_of(approval, ADMIN)
    form = form_to(await admin.open("/issuers/add"), "/issuers/add")
    done = await admin.send(form, **typed(issuer=provider.issuer))
    page = await admin.open(went(done, "/issuers?done=added"))
    assert "privacy → Lockbox approver" in text_of(page)
    assert "revision → Auditor" in text_of(page)
    assert SECRET not in page.text
    assert "<script>alert" not in page.text
    again = await admin.send(form, **typed(issuer=provider.issuer, key="another"))
    assert again.status_code == 409
    reader = await (await browser_of(approval, AUDITOR)).open("/issuers")
    assert "/remove" not in reader.text
    link = re.search(r'href="(/issuers/[^"]+/remove)"', page.text)
    assert link is not None
    assert (await (await browser_of(approval, "admin@fabrikam.example")).get(link[1])).status_code == 404
    went(await admin.send(form_to(await admin.open(link[1]), link[1])), "/issuers?done=removed")
    assert "There is none" in text_of(await admin.open("/issuers"))
    assert (await admin.get(link[1])).status_code == 404


async def test_where_two_must_agree_a_new_one_waits_for_a_second_vote(approval: Approval, provider: Provider) -> None:
    await require(approval, 2)
    admin, voter = await browser_of(approval, ADMIN), await browser_of(approval, DPO)
    form = form_to(await admin.open("/issuers/add"), "/issuers/add")
    path = went(await admin.send(form, **typed(issuer=provider.issuer)), "/changes/").partition("?")[0]
    assert "There is none" in text_of(await admin.open("/issuers"))
    page = await voter.open(path)
    assert f"Trust the sign-in service {provider.issuer}" in text_of(page)
    assert SECRET not in page.text
    went(await voter.send(form_to(page, f"{path}/approve")), path)
    assert "privacy" in text_of(await admin.open("/issuers"))
