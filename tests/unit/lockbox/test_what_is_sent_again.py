"""Retries of both clients against a real server that fails: which calls are sent again, how often, and when."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockbox import Addresses, LockboxError, Policy
from lockbox.client import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ServiceFault,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from lockbox.client.calls import Reply
from lockbox.client.operations.requests import Requests
from lockbox.client.sending import Caller, Send, Sleep
from tests.unit.lockbox.flaky import ID, KINDS, POLICY, Answer, Kind, does, flaky, problem, request

WITHOUT_KEY: list[Callable[[Any], Any]] = [
    lambda client: client.sign_in("contoso", "dpo@contoso.example", "password"),
    lambda client: client.sign_in_as_machine(ID, "secret"),
    lambda client: client.account.set_up("token", "a new password"),
    lambda client: client.account.change_password("old", "new"),
    lambda client: client.members.remove("contoso", "dpo@contoso.example"),
    lambda client: client.settings.put("contoso", {"enabled": True}),
    lambda client: client.tenants.entitle("contoso", entitled=False),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_read_is_sent_again_until_it_is_answered(kind: Kind) -> None:
    async with flaky(problem(503, "unavailable"), "drop", problem(429, "slower"), Answer(body=request())) as server:
        found = await does(kind, server, lambda client: client.requests.get(ID))
    assert (found.id, found.duration) == (ID, timedelta(minutes=90))
    assert [one.method for one in server.got] == ["GET"] * 4


@pytest.mark.parametrize("kind", KINDS)
async def test_what_makes_something_keeps_its_key_over_the_retries_and_the_next_call_has_another(kind: Kind) -> None:
    async with flaky("drop", problem(502, "x"), problem(504, "x"), Answer(body=request())) as server:
        for _ in range(2):
            await does(kind, server, lambda client: client.requests.ask(ID, "Why?"))
    keys = [one.headers["idempotency-key"] for one in server.got]
    assert len(keys) == 5
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]
    assert len({one.body for one in server.got}) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(len(WITHOUT_KEY)))
async def test_what_carries_no_key_and_is_no_read_is_sent_once(kind: Kind, number: int) -> None:
    for failure in (problem(503, "unavailable"), "drop"):
        async with flaky(failure) as server:
            with pytest.raises(Unavailable):
                await does(kind, server, WITHOUT_KEY[number])
        assert len(server.got) == 1
        assert "idempotency-key" not in server.got[0].headers


@pytest.mark.parametrize("kind", KINDS)
async def test_retries_end_and_the_last_error_is_told(kind: Kind) -> None:
    async with flaky(problem(503, "proof_unavailable")) as server:
        with pytest.raises(Unavailable, match="proof_unavailable") as refused:
            await does(kind, server, lambda client: client.requests.token(ID))
    assert (refused.value.status, len(server.got)) == (503, POLICY.retries + 1)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Invalid), (401, Unauthorized), (403, Forbidden), (404, NotFound), (409, Conflict), (413, Invalid),
     (415, Invalid), (418, LockboxError), (422, Invalid), (500, ServiceFault), (501, ServiceFault)],
)  # fmt: skip
async def test_a_refusal_is_final_and_of_its_kind(status: int, error: type[LockboxError]) -> None:
    members = {"errors": [{"field": "resources.0", "message": "must be"}, 5], "action_id": ID}
    async with flaky(problem(status, "the_code", **members)) as server:
        with pytest.raises(LockboxError) as refused:
            await does("awaiting", server, lambda client: client.requests.get(ID))
    assert type(refused.value) is error
    assert len(server.got) == 1
    assert (refused.value.code, refused.value.detail, refused.value.request_id) == ("the_code", "Not so.", "r-1")
    assert [(one.field, one.message) for one in refused.value.errors] == [("resources.0", "must be")]
    assert refused.value.members == {"action_id": ID}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": 5, "code": null}', b"[" * 100_000, b"\xff"])
async def test_an_error_of_some_proxy_is_an_error_all_the_same(body: bytes) -> None:
    async with flaky(Answer(403, body)) as server:
        with pytest.raises(Forbidden) as refused:
            await does("awaiting", server, lambda client: client.requests.get(ID))
    assert refused.value.code == "http_403"


@pytest.mark.parametrize("kind", KINDS)
async def test_silence_ends_with_the_attempts_time(kind: Kind) -> None:
    policy = Policy(timeout=0.1, total=20, retries=2, first_pause=0.001)
    async with flaky("silence") as server:
        with pytest.raises(Unreachable, match=r"127\.0"):
            await does(kind, server, lambda client: client.requests.get(ID), policy=policy)
    assert len(server.got) == 3


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_drips_ends_with_the_calls_time(kind: Kind) -> None:
    drops = Answer(headers={"Content-Type": "application/json"}, chunks=tuple(b" " for _ in range(100_000)))
    async with flaky(drops) as server:
        with pytest.raises(Unreachable, match="took too long"):
            await does(
                kind, server, lambda client: client.requests.get(ID), policy=Policy(total=0.05, first_pause=0.001)
            )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_redirect_is_not_followed_since_the_token_would_go_there(kind: Kind) -> None:
    async with flaky(Answer(body=request())) as thief:
        async with flaky(Answer(307, headers={"Location": f"{thief.url}/"})) as server:
            with pytest.raises(UnexpectedAnswer, match="another address"):
                await does(kind, server, lambda client: client.requests.get(ID))
    assert (len(server.got), len(thief.got)) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_to_this_machine_go_through_no_proxy(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with flaky(Answer(body=request())) as server:
        assert (await does(kind, server, lambda client: client.requests.get(ID))).id == ID


async def test_without_a_session_nothing_is_sent() -> None:
    async with flaky(Answer(body=request())) as server:
        with pytest.raises(Unauthorized, match="nobody is signed in"):
            await does("awaiting", server, lambda client: client.requests.get(ID), token=None)
    assert server.got == []


def asked(policy: Policy, *replies: Reply | Unreachable) -> tuple[list[float], object]:
    """Run a read against replies without waiting; return the waits that it asked for, and how it ended."""
    caller = Caller(Addresses.local(), policy, "tests", "token")
    program = caller.call(Requests.get.describe(ID))
    waits: list[float] = []
    left = list(replies)
    try:
        effect = next(program)
        while True:
            if isinstance(effect, Sleep):
                waits.append(effect.seconds)
                effect = program.send(None)
                continue
            assert isinstance(effect, Send)
            reply = left.pop(0) if len(left) > 1 else left[0]
            effect = program.throw(reply) if isinstance(reply, Unreachable) else program.send(reply)
    except (StopIteration, LockboxError) as end:
        return waits, end


def busy(retry_after: str) -> Reply:
    return Reply(503, {"retry-after": retry_after}, b"{}")


def test_the_answers_retry_after_is_waited_for() -> None:
    waits, end = asked(Policy(total=60, retries=2), busy("7"))
    assert len(waits) == 2
    assert min(waits) >= 7
    assert isinstance(end, Unavailable)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    (wait,), _ = asked(Policy(total=60, retries=1), busy(date))
    assert 20 < wait <= 31


@pytest.mark.parametrize("retry_after", ["3600", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nobody_waits_for_longer_than_the_calls_whole_time(retry_after: str) -> None:
    waits, end = asked(Policy(total=60), busy(retry_after))
    assert waits == []
    assert isinstance(end, Unavailable)


@pytest.mark.parametrize("retry_after", ["soon", "-1", "", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "٣"])
def test_a_retry_after_that_says_nothing_is_passed_over(retry_after: str) -> None:
    waits, _ = asked(Policy(total=60, retries=1, first_pause=0.5, longest_pause=0.5), busy(retry_after))
    assert len(waits) == 1
    assert 0.25 <= waits[0] <= 0.5


@given(number=st.integers(1, 10_000), first=st.floats(0.001, 5), longest=st.floats(0.001, 60))
def test_the_waits_grow_are_jittered_and_bounded(number: int, first: float, longest: float) -> None:
    pause = Policy(first_pause=first, longest_pause=longest).pause(number, None)
    assert 0 < pause <= longest


def test_the_whole_time_bounds_each_attempt() -> None:
    caller = Caller(Addresses.local(), Policy(timeout=15, total=5), "tests", "token")
    send = next(caller.call(Requests.get.describe(ID)))
    assert isinstance(send, Send)
    assert send.timeout <= 5
    assert send.deadline <= time.monotonic() + 5
    assert "token" not in repr(send)
