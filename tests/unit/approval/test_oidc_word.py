"""What an issuer's word comes to, without an issuer: roles of groups, the keys that count, and how often they are asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from pydantic import SecretStr

from services.approval.domain.people import TENANT_ROLES, Member
from services.approval.oidc.discovery import check_address
from services.approval.oidc.faults import IssuerFault
from services.approval.oidc.keys import IssuerKeys, usable
from services.approval.oidc.people import changes_of_roles, roles_of
from services.approval.oidc.secrets import Flow, new_state
from shared.events.members import RoleAssigned
from tests.integration.approval.system import SECRET

ROLES = st.frozensets(st.sampled_from(sorted(TENANT_ROLES)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=10,
)


@given(
    claims=st.dictionaries(st.sampled_from(["groups", "other"]), JSON),
    mapping=st.dictionaries(st.text(max_size=20), st.sampled_from(sorted(TENANT_ROLES)), max_size=5),
)
def test_whatever_is_claimed_gives_mapped_roles_alone(claims: dict[str, Any], mapping: dict[str, str]) -> None:
    assert roles_of(claims, "groups", mapping) <= set(mapping.values())


@given(
    groups=st.lists(st.text(max_size=5), max_size=8),
    mapping=st.dictionaries(st.text(max_size=5), st.sampled_from(sorted(TENANT_ROLES)), max_size=8),
)
def test_each_mapped_group_gives_its_role(groups: list[str], mapping: dict[str, str]) -> None:
    assert roles_of({"groups": groups}, "groups", mapping) == {mapping[one] for one in groups if one in mapping}


@given(held=ROLES, said=ROLES)
def test_the_facts_lead_from_the_roles_before_to_those_that_are_said(
    held: frozenset[str], said: frozenset[str]
) -> None:
    member = Member(id="m", realm="contoso", email="a@contoso.example", name="A", roles=frozenset())
    roles = set(held)
    for fact in changes_of_roles(member, held, said, "an issuer"):
        assert (fact.through, fact.by) == ("an issuer", None)
        if isinstance(fact, RoleAssigned):
            assert fact.role not in roles
            roles.add(fact.role)
        else:
            roles.remove(fact.role)
    assert roles == said


def test_a_sign_in_is_derived_from_its_state_and_the_secret_alone() -> None:
    state = new_state()
    one, two = Flow(SecretStr(SECRET), state), Flow(SecretStr(SECRET), state)
    assert (one.nonce, one.verifier, one.challenge) == (two.nonce, two.verifier, two.challenge)
    others = (Flow(SecretStr(SECRET[::-1]), state), Flow(SecretStr(SECRET), new_state()))
    for other in others:
        assert {one.nonce, one.verifier, one.challenge}.isdisjoint({other.nonce, other.verifier, other.challenge})
    assert 43 <= len(one.verifier) <= 128
    assert len({one.state, one.nonce, one.verifier, one.challenge}) == 4


KEYS: list[RSAKey | ECKey | OKPKey | OctKey] = [
    RSAKey.generate_key(2048, {"kid": "rsa"}),
    ECKey.generate_key("P-256", {"kid": "p256"}),
    ECKey.generate_key("P-384", {"kid": "p384"}),
    OKPKey.generate_key("Ed25519", {"kid": "ed25519"}),
    OKPKey.generate_key("X25519", {"kid": "x25519"}),
    OctKey.generate_key(256, {"kid": "oct"}),
]


@pytest.mark.parametrize(
    ("algorithm", "kid"), [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "p256"), ("EdDSA", "ed25519")]
)
def test_of_all_keys_only_those_of_the_algorithms_kind_count_and_their_public_half_alone(
    algorithm: str, kid: str
) -> None:
    ((name, key),) = usable({"keys": [one.as_dict(private=True) for one in KEYS]}, algorithm)
    assert name == kid
    assert not key.is_private


@given(
    entry=st.dictionaries(
        st.sampled_from(["kty", "crv", "n", "e", "x", "y", "use", "kid", "alg", "key_ops"]),
        JSON | st.sampled_from(["RSA", "EC", "P-256", "AQAB"]),
    )
)
def test_an_entry_that_is_no_key_is_passed_over(entry: dict[str, Any]) -> None:
    for algorithm in ("RS256", "ES256", "EdDSA"):
        assert usable({"keys": [entry]}, algorithm) == []


@given(jwks=st.dictionaries(st.sampled_from(["keys", "other"]), JSON))
def test_what_is_no_set_of_keys_is_a_fault_of_the_issuer(jwks: dict[str, Any]) -> None:
    if isinstance(jwks.get("keys"), list):
        assert usable(jwks, "RS256") == []
    else:
        with pytest.raises(IssuerFault, match="keys_malformed"):
            usable(jwks, "RS256")


class Clock:
    """A clock that moves when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


class Issuer:
    """Answers with its keys, and counts."""

    def __init__(self, *kids: str) -> None:
        self.kids = list(kids)
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(200, json={"keys": [KEYS[0].as_dict(private=False) | {"kid": kid} for kid in self.kids]})


def source(issuer: Issuer, clock: Clock, pause: float = 0.0) -> IssuerKeys:
    client = httpx.AsyncClient(transport=httpx.MockTransport(issuer))
    return IssuerKeys("https://issuer.example/jwks", "RS256", client, pause=pause, clock=clock)


async def test_keys_are_kept_until_they_are_old_or_another_is_named() -> None:
    issuer, clock = Issuer("one"), Clock()
    keys = source(issuer, clock)
    for _ in range(3):
        assert len(await keys.candidates("one")) == 1
    assert issuer.asked == 1
    issuer.kids = ["two"]
    assert len(await keys.candidates("two")) == 1
    assert issuer.asked == 2
    # What is published no longer counts no longer.
    assert await keys.candidates("one") == []
    clock.now += 301
    assert len(await keys.candidates("two")) == 1
    assert issuer.asked == 4


async def test_many_who_need_another_key_at_once_ask_for_it_once() -> None:
    issuer, clock = Issuer("one"), Clock()
    keys = source(issuer, clock)
    await keys.candidates("one")
    issuer.kids = ["two"]
    clock.now += 10
    found = await asyncio.gather(*(keys.candidates("two") for _ in range(20)))
    assert all(len(one) == 1 for one in found)
    assert issuer.asked == 2


@pytest.mark.parametrize(
    "address", ["https://a.example", "https://a.example:8443/x/y", "https://[2001:db8::1]/", "http://10.0.0.1"]
)
def test_an_address_is_taken_as_it_stands(address: str) -> None:
    assert check_address(address) == address


@given(text=st.text(max_size=60) | st.builds("https://{}".format, st.text(max_size=40)))
def test_whatever_is_no_address_is_refused_in_words(text: str) -> None:
    try:
        assert check_address(text) == text
    except ValueError as error:
        said = str(error)
    else:
        said = "must"
        assert "@" not in text.partition("//")[2].partition("/")[0].partition("?")[0]
    assert said.startswith("must")
