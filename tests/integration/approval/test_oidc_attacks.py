"""An issuer, or somebody between, says what must not be believed: nobody is signed in, and nothing changes."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from services.approval.oidc.faults import IssuerFault
from services.approval.oidc.people import arrive
from services.approval.store import issuers, oidc_flows
from tests.integration.approval.system import Approval
from tests.oidc_provider.forger import CLIENT, Forger, forging, unsigned, with_public_key, with_unknown_demand
from tests.oidc_provider.provider import CALLBACK, PORTAL, Browser, query_of
from tests.oidc_provider.world import ADMIN, MAPPING, me, said_on, service
from tests.servers import PostgresServer

SECRET = "a secret: of%us & you"


@pytest.fixture(scope="module")
async def approval(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Approval]:
    async with service(postgres, tmp_path_factory.mktemp("approval")) as made:
        yield made


@pytest.fixture(scope="module")
async def forger() -> AsyncIterator[Forger]:
    async with forging() as made:
        yield made


@pytest.fixture
async def issuer_id(approval: Approval, forger: Forger) -> AsyncIterator[str]:
    """Contoso trusts it, which was a mistake."""
    forger.reset()
    async for one in _trusted(approval, forger):
        yield one


async def _trusted(approval: Approval, forger: Forger) -> AsyncIterator[str]:
    body = {
        "issuer": forger.issuer,
        "name": "Forger",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "algorithm": "RS256",
        "mapping": MAPPING,
    }
    response = await approval.call(ADMIN, "POST", "/v1/tenants/contoso/issuers", body)
    assert response.status_code == 201, response.text
    yield response.json()["id"]
    gone = await approval.call(ADMIN, "DELETE", f"/v1/tenants/contoso/issuers/{response.json()['id']}")
    assert gone.status_code in (204, 404)


class Sign:
    """A sign-in up to the issuer, and what came with it."""

    def __init__(self, browser: Browser, issuer_id: str) -> None:
        self.browser = browser
        self.issuer_id = issuer_id
        self.query: dict[str, str] = {}

    async def begin(self, at: str) -> str:
        """Go to the issuer; give the nonce."""
        await self.browser.open(f"/oidc/{self.issuer_id}/start", until=at)
        self.query = query_of(self.browser.seen[-1])
        return self.query["nonce"]

    async def come_back(self, **more: str) -> httpx.Response:
        back = httpx.URL(CALLBACK, params={"code": "any", "state": self.query["state"], **more})
        return await self.browser.open(str(back))


@pytest.fixture
async def sign(approval: Approval, issuer_id: str) -> AsyncIterator[Sign]:
    async with Browser(approval.app) as browser:
        yield Sign(browser, issuer_id)


TABLES: Final = ("members", "identities", "group_roles", "sessions", "events")


async def people(approval: Approval) -> list[Any]:
    return [await approval.pool.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES]


async def test_an_honest_word_of_it_is_believed_and_the_secret_goes_to_it_alone(
    approval: Approval, forger: Forger, sign: Sign
) -> None:
    forger.tell(forger.sign(forger.claims(await sign.begin(forger.issuer))))
    assert (await sign.come_back()).status_code in (200, 303)
    assert (await me(approval, sign.browser))["roles"] == ["lockbox_approver"]
    ((_, headers, form),) = [one for one in forger.asked if one[0] == "/token"]
    # RFC 6749, 2.3.1: each is form-encoded before they are joined.
    told = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
    assert told == f"{CLIENT}:a%20secret%3A%20of%25us%20%26%20you"
    assert set(form) == {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert form["redirect_uri"] == CALLBACK
    assert not any("authorization" in headers for path, headers, _ in forger.asked if path != "/token")


Change = Callable[[Forger, str], object]
NOW = int(time.time())


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda f, n: f.sign(f.claims(n, iss="https://other.example")), id="of another issuer"),
        pytest.param(lambda f, n: f.sign(f.claims(n, iss=f.issuer + "/")), id="of nearly this issuer"),
        pytest.param(lambda f, n: f.sign(f.claims(n, iss=None)), id="of nobody"),
        pytest.param(lambda f, n: f.sign(f.claims(n, aud="other")), id="for another application"),
        pytest.param(lambda f, n: f.sign(f.claims(n, aud=[])), id="for nobody"),
        pytest.param(lambda f, n: f.sign(f.claims(n, aud=None)), id="without an audience"),
        pytest.param(lambda f, n: f.sign(f.claims(n, aud=[CLIENT, "other"])), id="for others too without a party"),
        pytest.param(lambda f, n: f.sign(f.claims(n, aud=[CLIENT], azp="other")), id="issued to another party"),
        pytest.param(lambda f, n: f.sign(f.claims(n, exp=NOW - 120)), id="expired"),
        pytest.param(lambda f, n: f.sign(f.claims(n, exp=None)), id="without an end"),
        pytest.param(lambda f, n: f.sign(f.claims(n, exp=True)), id="whose end is no time"),
        pytest.param(lambda f, n: f.sign(f.claims(n, exp="9999999999")), id="whose end is a text"),
        pytest.param(lambda f, n: f.sign(f.claims(n, iat=NOW + 600, exp=NOW + 900)), id="of the future"),
        pytest.param(lambda f, n: f.sign(f.claims(n, iat=NOW - 3600)), id="of long ago"),
        pytest.param(lambda f, n: f.sign(f.claims(n, iat=None)), id="of no time"),
        pytest.param(lambda f, n: f.sign(f.claims(n, nbf=NOW + 600)), id="valid later"),
        pytest.param(lambda f, n: f.sign(f.claims("another")), id="of another sign-in"),
        pytest.param(lambda f, n: f.sign(f.claims(n, nonce=None)), id="without a nonce"),
        pytest.param(lambda f, n: f.sign(f.claims(n, nonce=[n])), id="with a nonce of another kind"),
        pytest.param(lambda f, n: f.sign(f.claims(n, sub=None)), id="about nobody"),
        pytest.param(lambda f, n: f.sign(f.claims(n, sub="")), id="about an empty name"),
        pytest.param(lambda f, n: f.sign(f.claims(n, sub=7)), id="about a number"),
        pytest.param(lambda f, n: f.sign(f.claims(n, sub="x" * 256)), id="about too long a name"),
        pytest.param(lambda f, n: f.sign(f.claims(n, sub="a\0b")), id="about what cannot be stored"),
        pytest.param(lambda f, n: unsigned(f.claims(n)), id="that nobody signed"),
        pytest.param(lambda f, n: with_public_key(f.key, f.claims(n)), id="signed with the public key as a secret"),
        pytest.param(lambda f, n: f.sign(f.claims(n), alg="RS512"), id="signed with another algorithm"),
        pytest.param(lambda f, n: f.sign(f.claims(n), alg="PS256"), id="signed with the same key in another way"),
        pytest.param(
            lambda f, n: f.sign(f.claims(n), alg="ES256", key=ECKey.generate_key("P-256")), id="signed on a curve"
        ),
        pytest.param(lambda f, n: f.sign(f.claims(n), key=RSAKey.generate_key(2048)), id="signed by somebody else"),
        pytest.param(lambda f, n: f.sign(f.claims(n), kid="two"), id="signed with a key that nobody published"),
        pytest.param(
            lambda f, n: f.sign(f.claims(n), key=(mine := RSAKey.generate_key(2048)), jwk=mine.as_dict(private=False)),
            id="that brings its own key",
        ),
        pytest.param(lambda f, n: with_unknown_demand(f.key, f.claims(n)), id="that asks for what we do not know"),
        pytest.param(lambda f, n: f.sign(f.claims(n))[:-8] + "AAAAAAAA", id="whose signature was changed"),
        pytest.param(lambda f, n: f.sign(f.claims(n)).replace(".", "..", 1), id="of four parts"),
        pytest.param(lambda f, n: "x" * 100_000, id="that is too long"),
        pytest.param(lambda f, n: "kein Tökén", id="that is a text"),
        pytest.param(lambda f, n: {"sub": "somebody"}, id="that is an object"),
        pytest.param(lambda f, n: None, id="that is not there"),
    ],
)
async def test_an_id_token_that_is_not_exactly_right_signs_nobody_in(
    approval: Approval, forger: Forger, sign: Sign, token: Change
) -> None:
    nonce = await sign.begin(forger.issuer)
    before = await people(approval)
    forger.tell(token(forger, nonce))
    said_on(await sign.come_back(), "The issuer&#39;s word is not accepted")
    assert sign.browser.session is None
    assert await people(approval) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 20},
        {"iat": NOW + 30},
        {"nbf": NOW + 30},
        {"aud": [CLIENT, "other"], "azp": CLIENT},
        {"aud": [CLIENT]},
    ],
    ids=["just over", "begins soon", "counts soon", "one of several", "a list of one"],
)
async def test_what_a_minute_between_clocks_explains_is_accepted(
    approval: Approval, forger: Forger, sign: Sign, changes: dict[str, Any]
) -> None:
    late = {
        name: value + int(time.time()) - NOW if isinstance(value, int) else value for name, value in changes.items()
    }
    forger.tell(
        forger.sign(forger.claims(await sign.begin(forger.issuer), sub=repr(changes), email=_address(), **late))
    )
    await sign.come_back()
    assert sign.browser.session is not None


def _address() -> str:
    return f"a{time.monotonic_ns()}@contoso.example"


async def test_without_a_keys_id_the_only_key_counts(forger: Forger, sign: Sign) -> None:
    forger.tell(forger.sign(forger.claims(await sign.begin(forger.issuer), email=_address()), kid=None))
    await sign.come_back()
    assert sign.browser.session is not None


async def test_without_a_keys_id_no_key_is_guessed_among_several(forger: Forger, sign: Sign) -> None:
    forger.answers["/jwks"]["keys"].append(RSAKey.generate_key(2048).as_dict(private=False))
    forger.tell(forger.sign(forger.claims(await sign.begin(forger.issuer)), kid=None))
    said_on(await sign.come_back(), "a key that the issuer does not publish")


@pytest.mark.parametrize(
    "changes",
    [{"use": "enc"}, {"alg": "PS256"}, {"kty": "EC"}, {"key_ops": ["sign"]}, {"n": "AQAB"}, {"e": None}, {"kid": 1}],
    ids=repr,
)
async def test_a_key_that_is_for_something_else_or_too_short_signs_nobody_in(
    forger: Forger, sign: Sign, changes: dict[str, Any]
) -> None:
    forger.answers["/jwks"] = {"keys": [forger.key.as_dict(private=False) | changes, None, "x"]}
    forger.tell(forger.sign(forger.claims(await sign.begin(forger.issuer))))
    said_on(await sign.come_back(), "a key that the issuer does not publish")


@pytest.mark.parametrize("jwks", [b"<html>", b"[]", {"keys": 1}, {}, b"", b"[" * 200_000])
async def test_a_set_of_keys_that_is_none_signs_nobody_in(forger: Forger, sign: Sign, jwks: object) -> None:
    forger.answers["/jwks"] = jwks
    forger.tell(forger.sign(forger.claims(await sign.begin(forger.issuer))))
    said_on(await sign.come_back(), "keys" if isinstance(jwks, dict) else "JSON object")


async def test_an_answer_of_another_issuer_is_refused_before_the_code_is_spent(forger: Forger, sign: Sign) -> None:
    await sign.begin(forger.issuer)
    said_on(await sign.come_back(iss="https://other.example"), "came from another issuer")
    assert not [one for one in forger.asked if one[0] == "/token"]


async def test_an_issuer_that_promises_to_name_itself_must_do_so(
    approval: Approval, forger: Forger, issuer_id: str
) -> None:
    forger.answers["/.well-known/openid-configuration"] = forger.metadata(
        authorization_response_iss_parameter_supported=True
    )
    async with Browser(approval.app) as browser:
        sign = Sign(browser, issuer_id)
        await sign.begin(forger.issuer)
        said_on(await sign.come_back(), "came from another issuer")


async def test_metadata_that_changed_since_it_was_added_leads_nowhere(
    approval: Approval, forger: Forger, issuer_id: str
) -> None:
    forger.answers["/.well-known/openid-configuration"] = forger.metadata(issuer="https://other.example")
    async with Browser(approval.app) as browser:
        said_on(await browser.open(f"/oidc/{issuer_id}/start"), "speaks for https://other.example")


async def test_a_userinfo_endpoint_that_speaks_of_somebody_else_is_not_believed(
    approval: Approval, forger: Forger, issuer_id: str
) -> None:
    metadata = forger.metadata(userinfo_endpoint=f"{forger.issuer}/userinfo")
    forger.answers["/.well-known/openid-configuration"] = metadata
    forger.answers["/userinfo"] = {"sub": "admin", "email": "x@contoso.example", "groups": ["privacy"]}
    async with Browser(approval.app) as browser:
        sign = Sign(browser, issuer_id)
        forger.tell(forger.sign(forger.claims(await sign.begin(forger.issuer), groups=None)))
        said_on(await sign.come_back(), "speaks of somebody else")
        assert browser.session is None


@pytest.mark.parametrize("groups", [7, {"privacy": 1}, [["privacy"], 3, None], "unknown", ["global_admin"], None])
async def test_groups_that_are_none_give_no_role(
    approval: Approval, forger: Forger, sign: Sign, groups: object
) -> None:
    claims = forger.claims(await sign.begin(forger.issuer), sub=repr(groups), email=_address(), groups=groups)
    forger.tell(forger.sign(claims))
    await sign.come_back()
    assert (await me(approval, sign.browser))["roles"] == []


async def test_what_the_issuer_says_is_text_on_the_page(forger: Forger, sign: Sign) -> None:
    await sign.begin(forger.issuer)
    page = await sign.come_back(error="<script>alert(1)</script>")
    said_on(page, "&lt;script&gt;")
    assert "<script>alert" not in page.text


async def test_a_name_that_is_none_becomes_the_address_before_its_host(
    approval: Approval, forger: Forger, sign: Sign
) -> None:
    address = _address()
    claims = forger.claims(await sign.begin(forger.issuer), sub="named", email=address, name="a\nb\0" * 99)
    forger.tell(forger.sign(claims))
    await sign.come_back()
    assert (await me(approval, sign.browser))["name"] == address.partition("@")[0]


@pytest.mark.parametrize(
    "query", ["", "?state=", "?state=x&code=y", "?code=y", "?state=%F0%9F%92%A9&code=1", "?error=login_required"]
)
async def test_a_callback_that_nobody_asked_for_is_refused(approval: Approval, query: str) -> None:
    async with Browser(approval.app) as browser:
        said_on(await browser.open(f"{CALLBACK}{query}"), "Start the sign-in again")


async def test_a_code_that_the_issuer_refuses_is_said_to_be_refused(forger: Forger, sign: Sign) -> None:
    await sign.begin(forger.issuer)
    forger.answers["/token"] = {"error": "invalid_grant"}
    forger.status["/token"] = 400
    said_on(await sign.come_back(), "invalid_grant")


async def test_an_issuer_that_was_removed_meanwhile_signs_nobody_in(
    approval: Approval, forger: Forger, sign: Sign, issuer_id: str
) -> None:
    nonce = await sign.begin(forger.issuer)
    async with approval.pool.acquire() as connection:
        known = await issuers.find(connection, issuer_id)
        assert known is not None
        await approval.call(ADMIN, "DELETE", f"/v1/tenants/contoso/issuers/{issuer_id}")
        # Both where the browser comes back later, and where its code was being exchanged at that moment.
        said_on(await sign.come_back(), "was finished before")
        before = await people(approval)
        with pytest.raises(IssuerFault, match="issuer_removed"):
            await arrive(approval.app.state.parts, known, forger.claims(nonce), present=None, silent=False)
    assert await people(approval) == before


async def test_a_sign_in_that_nobody_came_back_from_is_forgotten(
    approval: Approval, forger: Forger, sign: Sign
) -> None:
    await sign.begin(forger.issuer)
    async with approval.pool.acquire() as connection:
        await oidc_flows.prune(connection)
        assert await connection.fetchval("SELECT count(*) FROM oidc_flows") == 1
        await connection.execute("UPDATE oidc_flows SET expires_at = clock_timestamp()")
        assert await oidc_flows.prune(connection) == 1


async def test_an_issuers_redirect_of_our_calls_is_not_followed(forger: Forger, sign: Sign) -> None:
    forger.tell(forger.sign(forger.claims(await sign.begin(forger.issuer))))
    forger.status["/token"] = 307
    said_on(await sign.come_back(), "307")


async def test_an_issuer_that_is_not_there_is_not_found(approval: Approval) -> None:
    async with Browser(approval.app) as browser:
        for where in ("01a210a1-b051-73f8-b220-d9a2652d6330", "x", "..%2f"):
            assert (await browser.open(f"{PORTAL}/oidc/{where}/start")).status_code == 404
