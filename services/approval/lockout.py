"""Guessing is limited, for each account and each address, before any work is done on what was given.

    attempt = await begin(parts, realm=..., email=..., address=address_of(request, parts.settings))   # 429, or counted
    ... compare what was given ...
    await succeeded(connection, attempt)        in the transaction of what it is good for; where it was wrong: nothing

An attempt counts as a failure from its beginning, under the locks of its account and address, so any number at once gets as
many tries as one after the other. An account that does not exist is counted as any other: nobody learns which do.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from fastapi import Request
from prometheus_client import Counter

from services.approval.domain import lockout as domain
from services.approval.domain.lockout import ACCOUNT, ADDRESS
from services.approval.parts import Parts
from services.approval.store import failures
from shared.database.pool import Connection, clock, transaction
from shared.events.envelope import new_id
from shared.observability.metrics import REGISTRY
from shared.settings import Settings
from shared.web.problems import Problem, refuses

INVALID: Final = "invalid_credentials"
LOCKED_OUT: Final = refuses({429: "`too_many_attempts`; Retry-After says when to try again"})
LOCKED: Final = Counter(
    "lockbox_attempts_locked_out", "Attempts to sign in that had to wait.", ["by"], registry=REGISTRY
)
_UNKNOWN: Final = "unknown"
# Whoever has one IPv6 address has the 64 bits of its network too (RFC 4291, 2.5.1).
_V6_PREFIX: Final = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, counted as a failure until it is said to be good."""

    id: str
    realm: str
    email: str
    address: str
    account_blocked: datetime | None
    address_blocked: datetime | None


async def begin(parts: Parts, *, realm: str, email: str, address: str, code: str = INVALID) -> Attempt:
    """Count an attempt, in a transaction of its own. `code` is what SignInFailed will say of it, should it fail.

    Call it with no other connection in hand. Raises Problem 429 `too_many_attempts` where the account or the address has to
    wait; that is not counted.
    """
    attempt_id = new_id()
    keys = (_account(realm, email), ACCOUNT), (_address(address), ADDRESS)
    async with transaction(parts.pool) as connection:
        # Accounts before addresses: two attempts never wait for each other in a circle.
        held = [(key, rule, await failures.hold(connection, key)) for key, rule in keys]
        now = await clock(connection)
        of_account, of_address = (domain.wait(standing, now).total_seconds() for _, _, standing in held)
        if of_account > 0 or of_address > 0:
            LOCKED.labels("account" if of_account > 0 else "address").inc()
            raise _too_many(math.ceil(max(of_account, of_address)))
        blocked = []
        for key, rule, standing in held:
            after = domain.counted(standing, rule, now)
            await failures.put(connection, key, after)
            blocked.append(after.blocked_until)
        await failures.note(connection, attempt_id, realm=realm, email=email, address=address, code=code, now=now)
    return Attempt(attempt_id, realm, email, address, *blocked)


async def succeeded(connection: Connection, attempt: Attempt) -> None:
    """It was good: the account's failures are forgotten, the address's stay, but for this one."""
    await failures.clear(connection, _account(attempt.realm, attempt.email))
    await failures.take_back(connection, _address(attempt.address), attempt.address_blocked)
    await failures.forget(connection, attempt.id)


async def given_back(connection: Connection, attempt: Attempt) -> None:
    """It was neither good nor wrong, since something is still to be given: it was no attempt."""
    await failures.take_back(connection, _account(attempt.realm, attempt.email), attempt.account_blocked)
    await failures.take_back(connection, _address(attempt.address), attempt.address_blocked)
    await failures.forget(connection, attempt.id)


async def forgiven(connection: Connection, *, realm: str, email: str) -> None:
    """Forget an account's failures: its holder has shown who he is in another way, as by a one-time link."""
    await failures.clear(connection, _account(realm, email))


def address_of(request: Request, settings: Settings) -> str:
    """Give the caller's IP address: of his connection, or, behind proxies that are trusted, the last one that they name."""
    if request.client is None:
        return _UNKNOWN
    found = _parsed(request.client.host)
    if found is None:
        return request.client.host[:64] or _UNKNOWN
    named = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while named and _is_trusted(found, settings):
        # Each proxy adds the address that it was called from at the end: what stands before an untrusted one is hearsay.
        before = _parsed(named.pop().strip())
        if before is None:
            break
        found = before
    return str(found)


def _is_trusted(address: IPv4Address | IPv6Address, settings: Settings) -> bool:
    return any(address in network for network in settings.trusted_proxies if network.version == address.version)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, with or without a port."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _account(realm: str, email: str) -> str:
    return f"account:{realm}:{email}"


def _address(address: str) -> str:
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return f"address:{IPv6Network((found, _V6_PREFIX), strict=False)}"
    return f"address:{address}"


def _too_many(seconds: int) -> Problem:
    detail = f"There were too many failed attempts: wait for {seconds} seconds, then try again."
    return Problem(429, "too_many_attempts", detail, headers={"Retry-After": str(seconds)})
