"""A tenant's global admins choose whose word counts on who its people are; nobody else does, and its secret is never seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.approval.oidc.faults import IssuerFault
from services.approval.oidc.secrets import unseal
from tests.integration.approval.system import Approval, refused
from tests.oidc_provider.forger import Forger, forging
from tests.oidc_provider.provider import CALLBACK
from tests.oidc_provider.world import service
from tests.servers import PostgresServer

ADMIN = "admin@contoso.example"
ISSUERS = "/v1/tenants/contoso/issuers"
SECRET = "a secret that nobody sees"


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    async with service(postgres, tmp_path_factory.mktemp("approval")) as made:
        yield made


@pytest.fixture
async def forger() -> AsyncIterator[Forger]:
    async with forging() as made:
        yield made


def body(forger: Forger, **changes: Any) -> dict[str, Any]:
    facts = {
        "issuer": forger.issuer,
        "name": "Contoso's own",
        "client_id": "lockbox",
        "client_secret": SECRET,
        "algorithm": "RS256",
        "group_claim": "groups",
        "mapping": {"privacy": "lockbox_approver"},
    }
    return {name: value for name, value in (facts | changes).items() if value is not None}


async def added(approval: Approval, forger: Forger, **changes: Any) -> dict[str, Any]:
    response = await approval.call(ADMIN, "POST", ISSUERS, body(forger, **changes))
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_an_issuer_is_added_listed_offered_and_removed(approval: Approval, forger: Forger) -> None:
    issuer = await added(approval, forger)
    assert issuer == {
        "id": issuer["id"],
        "issuer": forger.issuer,
        "name": "Contoso's own",
        "client_id": "lockbox",
        "algorithm": "RS256",
        "group_claim": "groups",
        "mapping": {"privacy": "lockbox_approver"},
        "redirect_uri": CALLBACK,
    }
    told = (await approval.published("contoso"))[-1]
    assert told.type == "lockbox.tenant.issuer_added.v1"
    assert (told.data.issuer_id, told.data.audience, told.data.by.email) == (issuer["id"], "lockbox", ADMIN)
    assert issuer in (await approval.call("auditor@contoso.example", "GET", ISSUERS)).json()["items"]
    offered = (await approval.call(None, "GET", "/v1/realms/contoso/issuers")).json()["items"]
    assert {"id": issuer["id"], "name": "Contoso's own"} in offered
    gone = await approval.call(ADMIN, "DELETE", f"{ISSUERS}/{issuer['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    told = (await approval.published("contoso"))[-1]
    assert (told.type, told.data.issuer_id) == ("lockbox.tenant.issuer_removed.v1", issuer["id"])
    assert issuer not in (await approval.call(ADMIN, "GET", ISSUERS)).json()["items"]
    refused(await approval.call(ADMIN, "DELETE", f"{ISSUERS}/{issuer['id']}"), 404, "not_found")


async def test_the_secret_is_encrypted_for_its_issuer_and_shown_nowhere(approval: Approval, forger: Forger) -> None:
    issuer = await added(approval, forger)
    stored = await approval.pool.fetchval("SELECT client_secret FROM issuers WHERE id = $1", issuer["id"])
    assert SECRET.encode() not in stored
    internal = approval.settings.internal_secret
    assert unseal(internal, issuer["id"], stored) == SECRET
    with pytest.raises(IssuerFault, match="secret_unreadable"):
        unseal(internal, "01a210a1-b051-73f8-b220-d9a2652d6330", stored)
    everything = repr(await approval.pool.fetch("SELECT body FROM events")) + repr(
        await approval.pool.fetch("SELECT * FROM idempotency")
    )
    assert SECRET not in everything
    assert SECRET not in (await approval.call(ADMIN, "GET", ISSUERS)).text


@pytest.mark.parametrize(
    "who", ["dpo@contoso.example", "helpdesk@contoso.example", "auditor@contoso.example", "user@contoso.example"]
)
async def test_no_other_role_of_the_tenant_adds_or_removes_one_or_makes_us_call_out(
    approval: Approval, forger: Forger, who: str
) -> None:
    issuer = await added(approval, forger)
    forger.asked.clear()
    refused(await approval.call(who, "POST", ISSUERS, body(forger)), 403, "forbidden")
    refused(await approval.call(who, "DELETE", f"{ISSUERS}/{issuer['id']}"), 403, "forbidden")
    assert not forger.asked


@pytest.mark.parametrize(
    "who", ["admin@fabrikam.example", "otto@provider.example", "max@provider.example", "ada@provider.example"]
)
async def test_nobody_from_elsewhere_sees_or_changes_them(approval: Approval, forger: Forger, who: str) -> None:
    issuer = await added(approval, forger)
    forger.asked.clear()
    refused(await approval.call(who, "GET", ISSUERS), 404, "not_found")
    refused(await approval.call(who, "POST", ISSUERS, body(forger)), 404, "not_found")
    refused(await approval.call(who, "DELETE", f"{ISSUERS}/{issuer['id']}"), 404, "not_found")
    own = "provider" if "provider" in who else "fabrikam"
    refused(await approval.call(who, "DELETE", f"/v1/tenants/{own}/issuers/{issuer['id']}"), 404, "not_found")
    assert not forger.asked


async def test_somebody_without_a_role_does_not_see_them(approval: Approval) -> None:
    refused(await approval.call("user@contoso.example", "GET", ISSUERS), 403, "forbidden")


async def test_a_realm_that_does_not_exist_offers_nothing(approval: Approval) -> None:
    for realm in ("provider", "nobody-there"):
        assert (await approval.call(None, "GET", f"/v1/realms/{realm}/issuers")).json() == {"items": []}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": "ftp://a.example"}, "issuer"),
        ({"issuer": "https://"}, "issuer"),
        ({"issuer": "https://a.example?x=1"}, "issuer"),
        ({"issuer": "https://a.example#x"}, "issuer"),
        ({"issuer": "https://me:secret@a.example"}, "issuer"),
        ({"issuer": "https://a.example\\@b.example"}, "issuer"),
        ({"issuer": "https://a .example"}, "issuer"),
        ({"issuer": "https://ä.example"}, "issuer"),
        ({"issuer": "https://a.example:99999"}, "issuer"),
        ({"issuer": "https://xn--zzzzz-"}, "issuer"),
        ({"issuer": "https://a..example"}, "issuer"),
        ({"issuer": "https://" + "a" * 600}, "issuer"),
        ({"issuer": 7}, "issuer"),
        ({"algorithm": "HS256"}, "algorithm"),
        ({"algorithm": "none"}, "algorithm"),
        ({"client_secret": ""}, "client_secret"),
        ({"client_id": " "}, "client_id"),
        ({"name": "a\nb"}, "name"),
        ({"mapping": {"all": "operator"}}, "mapping.all"),
        ({"mapping": {"all": "engineer"}}, "mapping.all"),
        ({"mapping": {"": "auditor"}}, "mapping."),
        ({"mapping": {str(number): "auditor" for number in range(101)}}, "mapping"),
        ({"mapping": ["auditor"]}, "mapping"),
        ({"other": 1}, "other"),
    ],
)
async def test_wrong_input_names_its_field_and_calls_nobody(
    approval: Approval, forger: Forger, changes: dict[str, Any], field: str
) -> None:
    answer = refused(await approval.call(ADMIN, "POST", ISSUERS, body(forger, **changes)), 422, "invalid_request")
    assert any(error["field"].startswith(field) for error in answer["errors"]), answer
    assert not forger.asked


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"issuer": "https://other.example"}, "issuer", "speaks for https://other.example"),
        ({"issuer": None}, "issuer", "no usable issuer"),
        ({"token_endpoint": None}, "issuer", "no usable token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "issuer", "jwks_uri"),
        ({"jwks_uri": "/jwks"}, "issuer", "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "issuer", "authorization_endpoint"),
        ({"authorization_endpoint": "https://a.example/#x"}, "issuer", "authorization_endpoint"),
        ({"token_endpoint": 7}, "issuer", "token_endpoint"),
        ({"response_types_supported": ["id_token"]}, "issuer", "response type code"),
        ({"code_challenge_methods_supported": ["plain"]}, "issuer", "PKCE"),
        ({"id_token_signing_alg_values_supported": ["ES256", "HS256"]}, "algorithm", "it offers ES256"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "client_secret", "no client secret"),
        ({"id_token_signing_alg_values_supported": ["none"]}, "algorithm", "none of those"),
    ],
)
async def test_an_issuer_that_we_could_not_sign_in_at_is_refused_with_the_reason(
    approval: Approval, forger: Forger, changes: dict[str, Any], field: str, said: str
) -> None:
    forger.answers["/.well-known/openid-configuration"] = forger.metadata(**changes)
    answer = refused(await approval.call(ADMIN, "POST", ISSUERS, body(forger)), 422, "invalid_request", field)
    assert said in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (200, b"<html>", "no JSON object"),
        (200, b"[]", "no JSON object"),
        (200, b"{" * 100_000, "no JSON object"),
        (200, b"x" * 2_000_000, "does not answer"),
        (404, b"", "answers 404"),
        (302, {}, "answers 302"),
        (500, b"oops", "answers 500"),
    ],
)
async def test_an_issuer_that_answers_wrongly_is_refused_with_the_reason(
    approval: Approval, forger: Forger, status: int, content: object, said: str
) -> None:
    forger.answers["/.well-known/openid-configuration"] = content
    forger.status["/.well-known/openid-configuration"] = status
    answer = refused(await approval.call(ADMIN, "POST", ISSUERS, body(forger)), 422, "invalid_request", "issuer")
    assert said in answer["errors"][0]["message"]


@pytest.mark.parametrize(
    "issuer",
    ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://[::1]:1", "https://10.0.0.1", "http://169.254.169.254"],
)
async def test_an_issuer_at_a_private_address_is_refused_without_saying_what_is_there(
    approval: Approval, forger: Forger, issuer: str
) -> None:
    answer = refused(
        await approval.call(ADMIN, "POST", ISSUERS, body(forger, issuer=issuer)), 422, "invalid_request", "issuer"
    )
    allowed = "127.0.0.1" in issuer
    assert ("does not answer" if allowed else "LOCKBOX_OUTBOUND_ALLOW") in answer["errors"][0]["message"]


async def test_an_issuer_is_added_once_even_by_two_at_once(approval: Approval, forger: Forger) -> None:
    calls = [approval.call(ADMIN, "POST", ISSUERS, body(forger)) for _ in range(3)]
    answers = sorted(await asyncio.gather(*calls), key=lambda one: one.status_code)
    assert [one.status_code for one in answers] == [201, 409, 409]
    refused(answers[-1], 409, "issuer_exists")
    # Another tenant may trust the same one.
    other = await approval.call("admin@fabrikam.example", "POST", "/v1/tenants/fabrikam/issuers", body(forger))
    assert other.status_code == 201


async def test_a_call_that_is_sent_again_adds_nothing_more(approval: Approval, forger: Forger) -> None:
    answers = [await approval.call(ADMIN, "POST", ISSUERS, body(forger), idempotency_key="the same") for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    forger.status["/.well-known/openid-configuration"] = 500
    again = await approval.call(ADMIN, "POST", ISSUERS, body(forger), idempotency_key="the same")
    assert (again.status_code, again.content) == (201, answers[0].content)
    # A refusal keeps no key.
    for _ in range(2):
        refused(
            await approval.call(ADMIN, "POST", ISSUERS, body(forger), idempotency_key="another"), 422, "invalid_request"
        )


async def test_a_tenant_that_asks_for_two_approvals_votes_on_an_issuer(approval: Approval, forger: Forger) -> None:
    path = "/v1/tenants/fabrikam"
    settings = (await approval.call("admin@fabrikam.example", "GET", f"{path}/settings")).json()
    wanted = settings | {"approvals_required": 2}
    changed = await approval.call("admin@fabrikam.example", "PUT", f"{path}/settings", wanted)
    assert changed.status_code == 200, changed.text
    proposed = await approval.call("admin@fabrikam.example", "POST", f"{path}/issuers", body(forger))
    assert proposed.status_code == 202, proposed.text
    change = proposed.json()
    assert (change["kind"], change["issuer"], change["roles"]) == ("issuer_added", forger.issuer, ["lockbox_approver"])
    assert SECRET not in repr(await approval.pool.fetch("SELECT * FROM changes"))
    assert SECRET not in proposed.text
    assert forger.issuer not in (await approval.call("admin@fabrikam.example", "GET", f"{path}/issuers")).text
    carried = await approval.call("dpo@fabrikam.example", "POST", f"{path}/changes/{change['id']}/approve", {})
    assert (carried.status_code, carried.json()["state"]) == (200, "carried"), carried.text
    (issuer,) = [
        one
        for one in (await approval.call("admin@fabrikam.example", "GET", f"{path}/issuers")).json()["items"]
        if one["issuer"] == forger.issuer
    ]
    told = (await approval.published("fabrikam"))[-1]
    assert (told.data.issuer_id, told.data.change_id) == (issuer["id"], change["id"])
    stored = await approval.pool.fetchval("SELECT client_secret FROM issuers WHERE id = $1", issuer["id"])
    assert unseal(approval.settings.internal_secret, issuer["id"], stored) == SECRET


async def test_a_tenant_has_so_many_issuers_and_no_more(approval: Approval, forger: Forger) -> None:
    await approval.pool.execute(
        """INSERT INTO issuers (id, tenant, issuer, name, client_id, algorithm, group_claim, mapping, added_at)
           SELECT gen_random_uuid(), 'contoso', 'https://many.example/' || n, 'x', 'x', 'RS256', 'groups', '{}', now()
           FROM generate_series(1, 20) n"""
    )
    refused(await approval.call(ADMIN, "POST", ISSUERS, body(forger)), 409, "too_many_issuers")
    await approval.pool.execute("DELETE FROM issuers WHERE issuer LIKE 'https://many.example/%'")
