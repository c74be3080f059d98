"""The keys of another service: fetched, kept, and asked for again, but never often."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from shared.security.keys import JwksSource, public_jwks, signing_key
from shared.security.tokens import KeysUnavailable

ONE, TWO = (signing_key(Ed25519PrivateKey.generate()) for _ in range(2))
URL = "http://approval/.well-known/jwks.json"


class Issuer:
    """Another service's address, which answers as it is told."""

    def __init__(self, *keys: OKPKey) -> None:
        self.keys = keys
        self.calls = 0
        self.answer: Callable[[], httpx.Response] | None = None
        self.now = 1000.0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.calls += 1
        return self.answer() if self.answer else httpx.Response(200, json=public_jwks(self.keys))

    def source(self) -> JwksSource:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return JwksSource(URL, client, fresh=300, pause=3, clock=lambda: self.now)


def refused() -> httpx.Response:
    raise httpx.ConnectError("refused")


async def test_the_keys_are_fetched_once_and_kept() -> None:
    issuer = Issuer(ONE)
    source = issuer.source()
    for _ in range(5):
        key = await source.key(str(ONE.kid))
        assert key is not None
        assert not key.is_private
    assert issuer.calls == 1


async def test_an_unknown_id_fetches_again_but_only_once_in_a_while() -> None:
    issuer = Issuer(ONE)
    source = issuer.source()
    await source.key(str(ONE.kid))
    issuer.keys = (ONE, TWO)
    for _ in range(50):
        assert await source.key(str(TWO.kid)) is None
    assert issuer.calls == 1
    issuer.now += 3
    assert await source.key(str(TWO.kid)) is not None
    assert issuer.calls == 2


async def test_the_last_good_keys_go_on_counting_while_the_issuer_is_down() -> None:
    issuer = Issuer(ONE)
    source = issuer.source()
    await source.key(str(ONE.kid))
    issuer.answer = refused
    issuer.now += 3600
    assert await source.key(str(ONE.kid)) is not None
    assert await source.key(str(TWO.kid)) is None


async def test_old_keys_are_renewed_while_nobody_waits() -> None:
    issuer = Issuer(ONE)
    source = issuer.source()
    await source.key(str(ONE.kid))
    issuer.keys = (TWO,)
    issuer.now += 301
    assert await source.key(str(ONE.kid)) is not None
    assert source._renewal is not None
    await source._renewal
    assert await source.key(str(TWO.kid)) is not None
    assert await source.key(str(ONE.kid)) is None


async def test_a_key_that_went_is_told_and_one_that_came_is_not() -> None:
    issuer = Issuer(ONE)
    source = issuer.source()
    await source.refresh()
    issuer.keys = (ONE, TWO)
    issuer.now += 3
    await source.refresh()
    assert source.generation == 0
    issuer.keys = (TWO,)
    issuer.now += 3
    await source.refresh()
    assert source.generation == 1


@pytest.mark.parametrize(
    "answer",
    [
        refused,
        lambda: httpx.Response(500),
        lambda: httpx.Response(200, text="<html>"),
        lambda: httpx.Response(200, json=[]),
        lambda: httpx.Response(200, json={"keys": {}}),
        lambda: httpx.Response(200, json={"keys": []}),
        lambda: httpx.Response(
            200, json={"keys": [5, {"kty": "RSA"}, {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "!"}]}
        ),
        lambda: httpx.Response(200, json={"keys": [ONE.as_dict(private=True)]}),
    ],
)
async def test_without_ever_a_good_answer_no_token_can_be_judged(answer: Callable[[], httpx.Response]) -> None:
    issuer = Issuer()
    issuer.answer = answer
    with pytest.raises(KeysUnavailable):
        await issuer.source().key("a")


async def test_it_recovers_once_the_issuer_is_there() -> None:
    issuer = Issuer(ONE)
    issuer.answer = refused
    source = issuer.source()
    with pytest.raises(KeysUnavailable):
        await source.key(str(ONE.kid))
    issuer.answer = None
    issuer.now += 3
    assert await source.key(str(ONE.kid)) is not None


async def test_many_callers_at_once_ask_once() -> None:
    import asyncio

    issuer = Issuer(ONE)
    source = issuer.source()
    found: list[Any] = await asyncio.gather(*(source.key(str(ONE.kid)) for _ in range(20)))
    assert all(found)
    assert issuer.calls == 1
