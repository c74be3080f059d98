"""Passwords: Argon2id, computed beside the event loop, at the same cost for accounts that do not exist."""

import asyncio
import os
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The parameters of RFC 9106, 4, for memory-constrained machines: 64 MiB, three passes, four lanes.
_HASHER: Final = PasswordHasher()
# Each takes 64 MiB and a core: more at once would only starve the other calls.
_THREADS: Final = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="argon2")


def _form(password: str) -> str:
    # The same password typed on two keyboards is one password (RFC 8265, 4.2).
    return unicodedata.normalize("NFC", password)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, _form(password))
    except (VerificationError, InvalidHashError):
        return False


async def hash_password(password: str) -> str:
    """Hash a password for storage (PHC string with its own salt)."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREADS, partial(_HASHER.hash, _form(password)))


async def verify_password(stored: str | None, password: str) -> bool:
    """Say whether the password is the one whose hash is stored.

    With None (no such account, or no password set yet) the answer is False after the same work, so that the time tells
    nobody which accounts exist.
    """
    if stored is None:
        await dummy_verify(password)
        return False
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _verify, stored, password)


async def dummy_verify(password: str) -> None:
    """Do the work of a verification, for an account that does not exist."""
    loop = asyncio.get_running_loop()
    stored = await loop.run_in_executor(_THREADS, _nobodys_hash)
    await loop.run_in_executor(_THREADS, _verify, stored, password)


def needs_rehash(stored: str) -> bool:
    """Say whether a hash was made with older parameters: hash the password anew at the next sign-in."""
    return _HASHER.check_needs_rehash(stored)


async def warm_up() -> None:
    """Prepare what `dummy_verify` compares with, so that the first unknown account takes no longer than the others."""
    await asyncio.get_running_loop().run_in_executor(_THREADS, _nobodys_hash)
