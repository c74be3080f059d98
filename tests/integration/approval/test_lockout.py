"""Guessing is limited, for each account and each address, however it is tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as some

from services.approval import lockout, sign_in_watch
from services.approval.app import build
from services.approval.domain.lockout import ADDRESS
from services.approval.one_time import link_digest
from services.approval.store import failures, links
from shared.database.pool import Pool, clock, open_pool, transaction
from shared.events.envelope import new_id
from shared.events.members import SignInFailed
from shared.observability.metrics import REGISTRY
from shared.security import passwords
from shared.settings import Settings
from shared.web.problems import Problem
from tests.integration.approval.system import PASSWORD, Approval, realm_of, refused, types

WRONG = "a-wrong-password"
# Waits that no slow machine sits out by chance.
LONG = timedelta(seconds=100)


@pytest.fixture(autouse=True)
def long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCOUNT", "ADDRESS"):
        monkeypatch.setattr(lockout, name, replace(getattr(lockout, name), first=LONG, longest=9 * LONG))


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compare passwords without the cost of Argon2, which is not what these tests are about; list what was compared."""
    compared: list[str] = []

    def verify(stored: str, password: str) -> bool:
        compared.append(password)
        return password == PASSWORD and stored != passwords._nobodys_hash()

    monkeypatch.setattr(passwords, "_verify", verify)
    return compared


def from_address(approval: Approval, address: str, app: Any = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app or approval.app, client=(address, 40000))
    return httpx.AsyncClient(transport=transport, base_url="http://approval")


async def try_in(
    http: httpx.AsyncClient, email: str, password: str = WRONG, realm: str | None = None
) -> httpx.Response:
    body = {"realm": realm or realm_of(email), "email": email, "password": password}
    return await http.post("/v1/sessions", json=body)


async def let_pass(approval: Approval) -> None:
    """Let the present waits be over, as they are after their time."""
    await approval.pool.execute("UPDATE attempts SET blocked_until = clock_timestamp()")


def too_many(response: httpx.Response) -> int:
    """Check the refusal and say how many times the first wait it is."""
    refused(response, 429, "too_many_attempts")
    return round(int(response.headers["retry-after"]) / LONG.total_seconds())


async def test_after_five_failures_in_a_row_each_further_one_costs_a_wait_that_doubles(
    approval: Approval, work: list[str]
) -> None:
    email = "admin@contoso.example"
    async with from_address(approval, "198.51.100.1") as http:
        for _ in range(5):
            refused(await try_in(http, email), 401, "invalid_credentials")
        work.clear()
        waits = []
        for _ in range(4):
            # The right password is not even compared.
            waits.append(too_many(await try_in(http, email, PASSWORD)))
            assert work == []
            await let_pass(approval)
            refused(await try_in(http, email), 401, "invalid_credentials")
            work.clear()
        assert waits == [1, 2, 4, 8]
        await let_pass(approval)
        assert (await try_in(http, email, PASSWORD)).status_code == 200
        refused(await try_in(http, email), 401, "invalid_credentials")
        assert (await try_in(http, email, PASSWORD)).status_code == 200


async def test_what_was_refused_for_the_wait_does_not_lengthen_it(approval: Approval, work: list[str]) -> None:
    email = "dpo@fabrikam.example"
    async with from_address(approval, "198.51.100.2") as http:
        for _ in range(5):
            await try_in(http, email)
        before = await approval.pool.fetchrow("SELECT * FROM attempts WHERE key = $1", f"account:fabrikam:{email}")
        locked_out = REGISTRY.get_sample_value("lockbox_attempts_locked_out_total", {"by": "account"}) or 0
        for _ in range(10):
            assert too_many(await try_in(http, email)) == 1
        after_it = REGISTRY.get_sample_value("lockbox_attempts_locked_out_total", {"by": "account"})
        assert after_it == locked_out + 10
        after = await approval.pool.fetchrow("SELECT * FROM attempts WHERE key = $1", f"account:fabrikam:{email}")
    assert before == after


async def test_an_account_or_realm_that_does_not_exist_is_locked_out_like_any_other(
    approval: Approval, work: list[str]
) -> None:
    seen = []
    for number, (email, realm) in enumerate(
        [("helpdesk@contoso.example", "contoso"), ("nobody@contoso.example", "contoso"), ("a@b.example", "no-realm")]
    ):
        async with from_address(approval, f"198.51.100.{10 + number}") as http:
            work.clear()
            answers = [await try_in(http, email, realm=realm) for _ in range(7)]
        said = [(one.status_code, one.headers.keys(), one.json()["code"]) for one in answers]
        assert len({one.content for one in answers[:5]}) == 1
        rows = await approval.pool.fetch("SELECT realm, email FROM failed_attempts WHERE email = $1", email)
        seen.append((said, len(work), len(rows)))
    assert seen[0] == seen[1] == seen[2]
    assert [status for status, _, _ in seen[0][0]] == [401] * 5 + [429] * 2
    assert seen[0][1:] == (5, 5)


async def test_what_is_asked_of_the_database_is_the_same_whether_there_is_such_an_account_or_not(
    approval: Approval, work: list[str]
) -> None:
    asked: list[list[str]] = []
    async with another_copy(approval, connections=1) as app, from_address(approval, "198.51.100.80", app) as http:
        for email, realm in [
            ("dpo@contoso.example", "contoso"),
            ("no-such-person@contoso.example", "contoso"),
            ("dpo@contoso.example", "no-such-realm"),
        ]:
            statements: list[str] = []
            async with app.state.parts.pool.acquire() as connection:
                connection.add_query_logger(lambda record, seen=statements: seen.append(record.query))
            refused(await try_in(http, email, realm=realm), 401, "invalid_credentials")
            async with app.state.parts.pool.acquire() as connection:
                await connection.execute("SELECT 'the end'")
            asked.append([" ".join(one.split()) for one in statements[: statements.index("SELECT 'the end'")]])
    assert asked[0] == asked[1] == asked[2]
    assert sum("INSERT INTO attempts" in one for one in asked[0]) == 2
    assert len(work) == 3


@asynccontextmanager
async def another_copy(approval: Approval, *, connections: int = 5) -> AsyncIterator[Any]:
    """Run a second copy of the service on the same database."""
    url = approval.settings.database_url.get_secret_value()
    pool = await open_pool(url, service="approval", size=connections)
    try:
        app = build(approval.settings)
        app.state.parts = replace(approval.app.state.parts, pool=pool)
        yield app
    finally:
        await pool.close()


async def test_fifty_guesses_at_once_at_two_copies_of_the_service_are_five_tries(
    approval: Approval, work: list[str]
) -> None:
    email = "auditor@contoso.example"
    async with another_copy(approval) as other:
        clients = [
            from_address(approval, f"203.0.113.{number}", app=other if number % 2 else None) for number in range(50)
        ]
        answers = await asyncio.gather(
            *(try_in(http, email, f"guess number {number}") for number, http in enumerate(clients))
        )
        for http in clients:
            await http.aclose()
    assert sorted(one.status_code for one in answers) == [401] * 5 + [429] * 45
    assert len(work) == 5


async def test_an_address_that_failed_a_hundred_times_waits_whatever_account_it_tries(
    approval: Approval, work: list[str]
) -> None:
    async with from_address(approval, "198.51.100.30") as http:
        for number in range(ADDRESS.free):
            refused(await try_in(http, f"person{number}@contoso.example"), 401, "invalid_credentials")
        assert too_many(await try_in(http, "user@contoso.example", PASSWORD)) == 1
        async with from_address(approval, "198.51.100.31") as elsewhere:
            assert (await try_in(elsewhere, "user@contoso.example", PASSWORD)).status_code == 200
        await let_pass(approval)
        # Who signs in from there says nothing of the others who do.
        assert (await try_in(http, "user@contoso.example", PASSWORD)).status_code == 200
        refused(await try_in(http, "person1@contoso.example"), 401, "invalid_credentials")
        assert too_many(await try_in(http, "person2@contoso.example")) == 2


async def test_an_ipv6_network_is_one_address(approval: Approval, work: list[str]) -> None:
    for number in range(ADDRESS.free):
        async with from_address(approval, f"2001:db8:1:2::{number:x}") as http:
            await try_in(http, f"other{number}@contoso.example")
    async with from_address(approval, "2001:db8:1:2:ffff::1") as http:
        too_many(await try_in(http, "other99@contoso.example"))
    async with from_address(approval, "2001:db8:1:3::1") as http:
        refused(await try_in(http, "other99@contoso.example"), 401, "invalid_credentials")


@pytest.mark.parametrize(
    ("peer", "named", "address"),
    [
        ("198.51.100.9", [], "198.51.100.9"),
        # Nobody is believed but the proxies that are configured.
        ("198.51.100.9", ["192.0.2.1"], "198.51.100.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.66, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.66", "192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1:1234"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8::1]:1234"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("testclient", ["192.0.2.1"], "testclient"),
    ],
)
def test_the_address_of_a_caller_is_what_a_trusted_proxy_says(
    approval: Approval, peer: str, named: list[str], address: str
) -> None:
    settings = approval.settings.model_copy(update={"trusted_proxies": (ip_network("10.0.0.0/8"),)})
    headers = [(b"x-forwarded-for", value.encode()) for value in named]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})
    assert lockout.address_of(request, settings) == address
    assert lockout.address_of(Request({"type": "http", "client": None, "headers": headers}), settings) == "unknown"


@given(
    some.text(max_size=60),
    some.lists(some.text(some.characters(max_codepoint=255), max_size=80), max_size=3),
)
def test_whatever_is_sent_as_an_address_is_one_short_word(peer: str, named: list[str]) -> None:
    settings = Settings.model_construct(trusted_proxies=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in named]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})
    found = lockout.address_of(request, settings)
    assert 0 < len(found) <= 64


async def test_what_was_no_attempt_is_taken_back_wherever_it_was_counted(approval: Approval) -> None:
    parts, email = approval.app.state.parts, f"{new_id()}@contoso.example"
    attempts = [await lockout.begin(parts, realm="contoso", email=email, address="198.51.100.40") for _ in range(5)]
    with pytest.raises(Problem) as refusal:
        await lockout.begin(parts, realm="contoso", email=email, address="198.51.100.40")
    assert refusal.value.status == 429
    async with transaction(approval.pool) as connection:
        await lockout.given_back(connection, attempts[-1])
    again = await lockout.begin(parts, realm="contoso", email=email, address="198.51.100.40")
    async with transaction(approval.pool) as connection:
        await lockout.succeeded(connection, again)
        standing = await failures.hold(connection, f"account:contoso:{email}")
        assert standing.failures == 0
        address = await failures.hold(connection, "address:198.51.100.40")
        assert address.failures == 4
    rows = await approval.pool.fetch("SELECT id::text FROM failed_attempts WHERE email = $1", email)
    assert {row["id"] for row in rows} == {attempt.id for attempt in attempts[:4]}


async def told(approval: Approval, email: str) -> list[SignInFailed]:
    member = await approval.member(email)
    events = await approval.published(member.id)
    return [event.data for event in events if event.type == "lockbox.member.sign_in_failed.v1"]


async def test_failures_are_told_to_the_tenant_in_one_event_a_minute_and_those_of_nobody_are_not(
    approval: Approval, work: list[str]
) -> None:
    email, nobody = "auditor@fabrikam.example", "nobody@fabrikam.example"
    async with from_address(approval, "198.51.100.50") as http, from_address(approval, "198.51.100.51") as other:
        for client in (http, other, http):
            await try_in(client, email)
        await try_in(http, nobody)
    # Nothing is told while an attempt may still turn out to be good.
    await sign_in_watch.tell(approval.pool)
    assert await told(approval, email) == []
    at_once = timedelta(0)
    numbers = await asyncio.gather(*(sign_in_watch.tell(approval.pool, settled=at_once) for _ in range(3)))
    assert sum(numbers) >= 1
    (fact,) = await told(approval, email)
    assert (fact.realm, fact.member.email, fact.code, fact.attempts) == ("fabrikam", email, "invalid_credentials", 3)
    assert fact.addresses == ["198.51.100.50", "198.51.100.51"]
    assert await approval.pool.fetchval("SELECT count(*) FROM failed_attempts WHERE email = $1", nobody) == 0
    event = (await approval.published(fact.member.id))[-1]
    assert (event.tenant, event.actor.type) == ("fabrikam", "service")

    async with from_address(approval, "198.51.100.52") as http:
        await try_in(http, email)
    await sign_in_watch.tell(approval.pool, settled=at_once)
    assert len(await told(approval, email)) == 1
    await sign_in_watch.tell(approval.pool, settled=at_once, once_in=at_once)
    assert [one.attempts for one in await told(approval, email)] == [3, 1]


async def test_a_sign_in_that_succeeded_is_told_to_nobody_as_a_failure(approval: Approval, work: list[str]) -> None:
    email = "user@fabrikam.example"
    async with from_address(approval, "198.51.100.60") as http:
        assert (await try_in(http, email, PASSWORD)).status_code == 200
    await sign_in_watch.tell(approval.pool, settled=timedelta(0))
    assert await told(approval, email) == []
    assert "member.sign_in_failed" not in types(await approval.published((await approval.member(email)).id))


async def test_the_task_that_tells_goes_on_after_any_fault_and_ends_when_it_is_told_to(
    approval: Approval, work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[BaseException] = [ConnectionResetError("gone"), ValueError("a fault of ours")]
    done = asyncio.Event()
    real = sign_in_watch.tell

    async def tell(pool: Pool) -> int:
        if faults:
            raise faults.pop()
        number = await real(pool, settled=timedelta(0), once_in=timedelta(0))
        done.set()
        return number

    monkeypatch.setattr(sign_in_watch, "tell", tell)
    monkeypatch.setattr(sign_in_watch, "LOOK_SECONDS", 0.01)
    email = "max@provider.example"
    async with from_address(approval, "198.51.100.95") as http:
        refused(await try_in(http, email), 401, "invalid_credentials")
    task = asyncio.create_task(sign_in_watch.keep_telling(approval.pool))
    await asyncio.wait_for(done.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [one.attempts for one in await told(approval, email)] == [1]


async def test_a_person_who_shows_his_password_again_and_again_wrongly_is_locked_out_too(
    approval: Approval, work: list[str]
) -> None:
    email = "erin@provider.example"
    for _ in range(5):
        answer = await approval.call(
            email, "POST", "/v1/me/password", {"current": WRONG, "new": "four quiet words here"}
        )
        refused(answer, 422, "wrong_password", "current")
    work.clear()
    answer = await approval.call(
        email, "POST", "/v1/me/password", {"current": PASSWORD, "new": "four quiet words here"}
    )
    too_many(answer)
    async with from_address(approval, "198.51.100.70") as http:
        too_many(await try_in(http, email, PASSWORD))
    assert work == []


async def test_who_follows_a_one_time_link_waits_for_nobodys_guesses(approval: Approval, work: list[str]) -> None:
    email, token = "auditor@fabrikam.example", "t" * 43
    async with from_address(approval, "198.51.100.90") as http:
        for _ in range(5):
            await try_in(http, email)
        too_many(await try_in(http, email, PASSWORD))
        member = await approval.member(email)
        async with transaction(approval.pool) as connection:
            now = await clock(connection)
            await links.make(
                connection, new_id(), member.id, digest=link_digest(token), now=now, expires_at=now + timedelta(hours=1)
            )
        answer = await http.post("/v1/setup", json={"token": token, "password": "four quiet words here"})
        assert answer.status_code == 200, answer.text
        assert (await try_in(http, email, PASSWORD)).status_code == 200


async def test_what_counts_no_more_is_forgotten(approval: Approval) -> None:
    await approval.pool.execute(
        """INSERT INTO attempts (key, failures, blocked_until, touched_at)
           VALUES ('account:old', 9, NULL, clock_timestamp() - interval '3 days'),
                  ('account:young', 9, NULL, clock_timestamp() - interval '1 hour')"""
    )
    async with transaction(approval.pool) as connection:
        assert await failures.prune(connection) == 1
    keys = await approval.pool.fetch("SELECT key FROM attempts WHERE key IN ('account:old', 'account:young')")
    assert [row["key"] for row in keys] == ["account:young"]
