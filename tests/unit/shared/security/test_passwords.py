"""Passwords are stored as Argon2id, and an account that does not exist costs as much as one that does."""

import asyncio

import pytest
from argon2 import PasswordHasher

from shared.security import passwords
from shared.security.passwords import dummy_verify, hash_password, needs_rehash, verify_password


async def test_a_password_is_known_again_and_another_is_not() -> None:
    stored = await hash_password("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert await verify_password(stored, "correct horse battery")
    assert not await verify_password(stored, "correct horse batterz")
    assert not await verify_password(stored, "")


async def test_the_same_password_typed_in_two_forms_is_one() -> None:
    assert await verify_password(await hash_password("caf\u00e9 au lait"), "cafe\u0301 au lait")


async def test_two_hashes_of_one_password_differ() -> None:
    first, second = await asyncio.gather(hash_password("x" * 12), hash_password("x" * 12))
    assert first != second


async def test_an_account_that_does_not_exist_takes_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = passwords._verify

    def watched(stored: str, password: str) -> bool:
        asked.append(stored)
        return real(stored, password)

    monkeypatch.setattr(passwords, "_verify", watched)
    stored = await hash_password("correct horse battery")
    assert not await verify_password(stored, "wrong")
    assert not await verify_password(None, "wrong")
    await dummy_verify("wrong")
    # The parameters decide what the work is.
    assert len({one.split("$")[3] for one in asked}) == 1
    assert len(asked) == 3


@pytest.mark.parametrize("stored", ["", "text", "$argon2id$v=19$m=65536,t=3,p=4$broken"])
async def test_a_hash_that_cannot_be_read_admits_nobody(stored: str) -> None:
    assert not await verify_password(stored, "x" * 12)


async def test_a_hash_of_weaker_parameters_is_to_be_made_anew() -> None:
    assert needs_rehash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))
    assert not needs_rehash(await hash_password("x"))
