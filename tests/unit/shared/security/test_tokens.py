"""Tokens: only what the issuer signed, for this audience, of this type, within its times. On any doubt: refused."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from shared.security.keys import LocalJwks, public_jwks, signing_key
from shared.security.tokens import (
    GATE,
    GRANT_ISSUER,
    GRANT_TYPE,
    SESSION_AUDIENCES,
    SESSION_ISSUER,
    SESSION_TYPE,
    InvalidToken,
    Session,
    TokenVerifier,
    grant_verifier,
    issue_grant,
    issue_session,
    session_verifier,
)

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.generate()
KEY = signing_key(PRIVATE)
AUDIENCE = "lockbox-approval"


class Clock:
    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now.timestamp()


def sessions(clock: Callable[[], float] | None = None, **options: Any) -> TokenVerifier[Session]:
    return session_verifier(LocalJwks([KEY]), AUDIENCE, clock=clock or Clock(), **options)


def session_token(key: OKPKey = KEY, **changes: Any) -> str:
    given: dict[str, Any] = {
        "subject": "0193f2a0-0000-7000-8000-000000000001",
        "realm": "contoso",
        "email": "dpo@contoso.example",
        "session_id": "0193f2a0-0000-7000-8000-000000000002",
        "now": NOW,
        "lifetime": timedelta(hours=1),
    }
    return issue_session(key, **(given | changes))


def grant_token(**changes: Any) -> str:
    given: dict[str, Any] = {
        "subject": "0193f2a0-0000-7000-8000-000000000001",
        "grant_id": "0193f2a0-0000-7000-8000-000000000003",
        "tenant": "contoso",
        "request_id": "0193f2a0-0000-7000-8000-000000000004",
        "resources": [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}],
        "now": NOW,
        "not_before": NOW,
        "expires": NOW + timedelta(seconds=1),
    }
    return issue_grant(KEY, **(given | changes))


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return json.loads(base64.urlsafe_b64decode(header + "==")), json.loads(base64.urlsafe_b64decode(claims + "=="))


def signed(header: dict[str, Any], claims: Any, sign: Callable[[bytes], bytes] = PRIVATE.sign) -> str:
    signing_input = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
    return f"{signing_input}.{encode(sign(signing_input.encode()))}"


async def refusal(token: str, clock: Clock | None = None) -> str:
    with pytest.raises(InvalidToken) as caught:
        await sessions(clock).verify(token)
    return caught.value.code


async def test_a_session_says_who_is_calling_and_nothing_of_his_rights() -> None:
    session = await sessions().verify(session_token())
    assert (session.realm, session.email) == ("contoso", "dpo@contoso.example")
    header, claims = parts(session_token())
    assert header["typ"] == "at+jwt"
    assert claims["aud"] == list(SESSION_AUDIENCES)
    assert "roles" not in claims


async def test_a_grant_token_says_what_was_granted_and_is_for_the_gate_alone() -> None:
    grant = await grant_verifier(LocalJwks([KEY]), clock=Clock()).verify(grant_token())
    assert (grant.tenant, grant.expires_at - grant.not_before) == ("contoso", 1.0)
    assert list(grant.resources) == [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}]
    assert parts(grant_token())[1]["aud"] == [GATE]


async def test_a_session_ends_at_its_very_second_also_when_it_was_accepted_before() -> None:
    clock = Clock()
    verifier, token = sessions(clock), session_token()
    clock.now = NOW + timedelta(hours=1) - timedelta(microseconds=1)
    await verifier.verify(token)
    clock.now = NOW + timedelta(hours=1)
    for _ in range(2):
        with pytest.raises(InvalidToken, match="expired"):
            await verifier.verify(token)


async def test_a_grant_token_counts_from_its_first_to_its_last_instant() -> None:
    clock = Clock(NOW - timedelta(milliseconds=1))
    verifier = grant_verifier(LocalJwks([KEY]), clock=clock)
    token = grant_token(now=NOW - timedelta(minutes=1))
    with pytest.raises(InvalidToken, match="not_yet_valid"):
        await verifier.verify(token)
    clock.now = NOW
    await verifier.verify(token)
    clock.now = NOW + timedelta(seconds=1)
    with pytest.raises(InvalidToken, match="expired"):
        await verifier.verify(token)


async def test_a_session_is_no_grant_token_and_a_grant_token_no_session() -> None:
    assert await refusal(grant_token()) == "wrong_type"
    with pytest.raises(InvalidToken, match="wrong_type"):
        await grant_verifier(LocalJwks([KEY]), clock=Clock()).verify(session_token())


async def test_a_token_for_another_service_is_refused() -> None:
    assert await refusal(session_token(audience=["lockbox-audit"])) == "wrong_audience"
    assert await refusal(session_token(audience=[])) == "wrong_audience"


async def test_a_token_of_another_issuer_is_refused() -> None:
    assert await refusal(session_token(issuer=GRANT_ISSUER)) == "wrong_issuer"


async def test_a_token_signed_with_a_key_that_is_not_published_is_refused() -> None:
    stranger = signing_key(Ed25519PrivateKey.generate())
    assert await refusal(session_token(stranger)) == "unknown_key"
    header, claims = parts(session_token())
    assert await refusal(signed(header, claims, Ed25519PrivateKey.generate().sign)) == "bad_signature"


async def test_a_token_that_was_changed_is_refused() -> None:
    header, claims = parts(session_token())
    signature = session_token().rpartition(".")[2]
    changed = claims | {"realm": "provider"}
    forged = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(changed).encode())}.{signature}"
    assert await refusal(forged) == "bad_signature"


@pytest.mark.parametrize(
    "name", ["none", "None", "NONE", "", "HS256", "ES256", "RS256", "Ed25519", "eddsa", None, ["EdDSA"]]
)
async def test_no_algorithm_but_ours_is_taken(name: Any) -> None:
    header, claims = parts(session_token())
    assert await refusal(signed(header | {"alg": name}, claims)) == "wrong_algorithm"
    assert await refusal(signed(header | {"alg": name}, claims, lambda _: b"")) == "wrong_algorithm"


async def test_our_public_key_is_no_shared_secret() -> None:
    header, claims = parts(session_token())
    for secret in (
        json.dumps(public_jwks([KEY])).encode(),
        KEY.as_pem(private=False),
        PRIVATE.public_key().public_bytes_raw(),
    ):
        sign = partial(hmac.digest, secret, digest=hashlib.sha256)
        forged = signed(header | {"alg": "HS256"}, claims, sign)
        assert await refusal(forged) == "wrong_algorithm"


@pytest.mark.parametrize("typ", [None, "JWT", "AT+JWT", "application/at+jwt", GRANT_TYPE, "", 5])
async def test_the_type_must_be_exactly_ours(typ: Any) -> None:
    header, claims = parts(session_token())
    assert await refusal(signed(header | {"typ": typ}, claims)) == "wrong_type"


@pytest.mark.parametrize("kid", [None, 5, ["a"], {}])
async def test_a_token_must_name_its_key(kid: Any) -> None:
    header, claims = parts(session_token())
    assert await refusal(signed(header | {"kid": kid}, claims)) == "key_unnamed"


async def test_a_key_that_the_token_brings_along_counts_for_nothing() -> None:
    stranger = Ed25519PrivateKey.generate()
    header, claims = parts(session_token())
    brought = {"jwk": signing_key(stranger).as_dict(private=False), "jku": "https://evil.example/jwks.json"}
    assert await refusal(signed(header | brought, claims, stranger.sign)) == "bad_signature"
    assert await refusal(signed(header | {"crit": ["b64"], "b64": False}, claims)) == "bad_signature"


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "realm", "email", "jti", "iat", "exp"])
async def test_a_token_without_one_of_its_claims_is_refused(name: str) -> None:
    header, claims = parts(session_token())
    del claims[name]
    assert await refusal(signed(header, claims)) in {"claim_missing", "wrong_issuer", "wrong_audience"}


@pytest.mark.parametrize("exp", ["never", True, None, float("inf"), 1e300, -1, [], "1764000000"])
async def test_a_token_whose_end_is_no_time_is_refused(exp: Any) -> None:
    header, claims = parts(session_token())
    assert await refusal(signed(header, claims | {"exp": exp})) in {"claim_missing", "expired"}


@pytest.mark.parametrize("claims", [None, [], "text", 5, {}])
async def test_claims_that_are_no_object_are_refused(claims: Any) -> None:
    assert await refusal(signed(parts(session_token())[0], claims)) in {"bad_signature", "wrong_issuer"}


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "a.b.c.d", "é.b.c", "!!!.b.c", encode(b"[]") + ".e30.x", encode(b"{") + ".e30.x",
     encode(b"[" * 3000) + ".e30.x", "x" * 5000, encode(b"\xff") + ".e30."],
)  # fmt: skip
async def test_what_is_no_token_is_refused(token: str) -> None:
    assert await refusal(token) == "malformed"


@given(st.text(max_size=60))
async def test_any_text_is_refused_as_a_token(token: str) -> None:
    with pytest.raises(InvalidToken):
        await sessions().verify(token)


@given(st.integers(0, 400), st.characters(codec="ascii"))
async def test_a_token_with_one_character_changed_is_refused_or_the_same_token(position: int, character: str) -> None:
    token = session_token()
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    try:
        session = await sessions().verify(changed)
    except InvalidToken:
        return
    # Base64's last character has bits that count for nothing; what is said and signed is the same.
    assert session == await sessions().verify(token)


async def test_a_token_that_was_accepted_is_not_judged_again() -> None:
    asked = []

    class Counting(LocalJwks):
        async def key(self, kid: str) -> OKPKey | None:
            asked.append(kid)
            return await super().key(kid)

    verifier = session_verifier(Counting([KEY]), AUDIENCE, clock=Clock())
    first = await verifier.verify(session_token())
    assert await verifier.verify(session_token()) is first
    assert len(asked) == 1


async def test_it_remembers_so_many_tokens_and_no_more() -> None:
    verifier = sessions(remember=3)
    tokens = [session_token(session_id=f"session-{number}") for number in range(10)]
    for token in tokens:
        await verifier.verify(token)
    assert len(verifier._accepted) == 3
    assert (await verifier.verify(tokens[0])).session_id == "session-0"


async def test_tokens_are_forgotten_when_a_key_may_have_gone() -> None:
    keys = LocalJwks([KEY])
    verifier = session_verifier(keys, AUDIENCE, clock=Clock())
    await verifier.verify(session_token())
    keys._keys = {}
    await verifier.verify(session_token())
    keys.generation += 1
    with pytest.raises(InvalidToken, match="unknown_key"):
        await verifier.verify(session_token())


async def test_the_clock_is_the_systems_unless_another_is_given() -> None:
    verifier = session_verifier(LocalJwks([KEY]), AUDIENCE)
    now = datetime.fromtimestamp(time.time(), UTC)
    assert (await verifier.verify(session_token(now=now))).expires_at > time.time()
    with pytest.raises(InvalidToken, match="expired"):
        await verifier.verify(session_token(now=now - timedelta(hours=2)))


def test_the_names_are_those_of_the_design() -> None:
    assert (SESSION_TYPE, GRANT_TYPE) == ("at+jwt", "lockbox-grant+jwt")
    assert (SESSION_ISSUER, GRANT_ISSUER, GATE) == ("lockbox-approval", "lockbox-request-api", "lockbox-gate")
