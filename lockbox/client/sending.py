"""How a call is made: its attempts, the waits between them, its errors. Written once, as generators of effects.

A generator yields `Send` and gets a `Reply` (or an `Unreachable` thrown into it), or yields `Sleep`; the two transports do no
more than that.
"""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from lockbox.client.addresses import Addresses
from lockbox.client.calls import Call, Place, Reply, Service
from lockbox.client.errors import (
    FieldError,
    LockboxError,
    TooManyAttempts,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    kind_of,
)

T = TypeVar("T")
PROVIDER: Final = "provider"
MOST_BYTES: Final = 64 * 1024 * 1024
_LONGEST_DETAIL: Final = 2000
# Jitter keeps callers from coming back all at once; nothing hangs on its being hard to guess.
_random: Final = random.SystemRandom()


@dataclass(frozen=True)
class Policy:
    """How long and how often: one attempt takes at most `timeout` seconds, all attempts of a call together `total`.

    A call is sent again at most `retries` times, and only where that cannot do it twice: safe methods, and calls that carry an
    Idempotency-Key. The wait before doubles from `first_pause` to `longest_pause`, is jittered, and never shorter than the
    Retry-After of the answer.
    """

    timeout: float = 15.0
    total: float = 45.0
    retries: int = 4
    first_pause: float = 0.2
    longest_pause: float = 8.0

    def pause(self, number: int, asked: float | None) -> float:
        """Give the wait before the attempt after the given number of failed ones."""
        longest = min(self.longest_pause, self.first_pause * 2.0 ** min(number - 1, 30))
        return max(asked or 0.0, _random.uniform(longest / 2, longest))


@dataclass(frozen=True)
class Send:
    """Send this and return the Reply, by `deadline` (of time.monotonic)."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    timeout: float
    deadline: float


@dataclass(frozen=True)
class Sleep:
    seconds: float


Effect = Send | Sleep
Program = Generator[Effect, Any, T]


@dataclass
class Caller:
    """Who calls, and where: what both clients stand on. The token is in no repr."""

    addresses: Addresses
    policy: Policy
    agent: str
    token: str | None = field(default=None, repr=False)

    @property
    def realm(self) -> str | None:
        """The realm of the session's token; only to know which service to ask, so nothing is verified."""
        return None if self.token is None else realm_of(self.token)

    def service(self, place: Place) -> Service:
        """Give the service that a call goes to."""
        if place != "own":
            return place
        return "request_api" if self.realm == PROVIDER else "approval"

    def headers(self, call: Call[Any]) -> dict[str, str]:
        """Give a call's headers. Raises Unauthorized where it takes a session and there is none."""
        headers = {"Accept": "application/json", "User-Agent": self.agent}
        token = call.bearer or self.token
        if not call.anonymous:
            if token is None:
                raise Unauthorized("nobody is signed in", code="not_authenticated")
            headers["Authorization"] = f"Bearer {token}"
        if call.keyed:
            headers["Idempotency-Key"] = call.key or str(uuid.uuid4())
        return headers

    def url(self, call: Call[Any]) -> str:
        """Give a call's whole address."""
        query = [
            (name, _word(one))
            for name, value in call.query.items()
            if value is not None
            for one in (value if isinstance(value, list) else [value])
        ]
        return self.addresses.of(self.service(call.place)) + call.path + (f"?{urlencode(query)}" if query else "")

    def call(self, call: Call[T]) -> Program[T]:
        """Make a call, with its attempts. Raises LockboxError."""
        policy, deadline = self.policy, time.monotonic() + self.policy.total
        url, headers = self.url(call), self.headers(call)
        content, kind = _content(call)
        if kind is not None:
            headers["Content-Type"] = kind
        failed = 0
        while True:
            left = deadline - time.monotonic()
            try:
                reply = yield Send(call.method, url, headers, content, min(policy.timeout, max(left, 0.001)), deadline)
                return _read(call, reply)
            except (Unavailable, TooManyAttempts) as error:
                failed += 1
                pause = policy.pause(failed, error.retry_after)
                left = deadline - time.monotonic()
                if not call.repeatable or failed > policy.retries or pause >= left:
                    raise
            yield Sleep(pause)


def run(program: Program[T], send: Callable[[Send], Reply], sleep: Callable[[float], None]) -> T:
    """Run a program to its end, in this thread."""
    answer: Reply | None = None
    try:
        effect = next(program)
        while True:
            try:
                if isinstance(effect, Sleep):
                    sleep(effect.seconds)
                    answer = None
                else:
                    answer = send(effect)
            except Unreachable as error:
                effect = program.throw(error)
            else:
                effect = program.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def realm_of(token: str) -> str | None:
    """Read the realm that a session's token names, unverified; None where it names none."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        realm = claims["realm"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
    return realm if isinstance(realm, str) else None


def error_of(reply: Reply) -> LockboxError:
    """Make the error that an answer stands for (RFC 9457)."""
    try:
        found = json.loads(reply.content)
    except (ValueError, RecursionError):
        found = None
    problem: dict[str, Any] = found if isinstance(found, dict) else {}
    known = {"type", "title", "status", "code", "detail", "errors"}
    detail = problem.get("detail") or problem.get("title") or f"the service answered {reply.status}"
    errors = problem.get("errors")
    return kind_of(reply.status)(
        str(detail)[:_LONGEST_DETAIL],
        code=str(problem.get("code") or f"http_{reply.status}"),
        status=reply.status,
        errors=tuple(
            FieldError(str(one.get("field")), str(one.get("message")))
            for one in (errors if isinstance(errors, list) else [])
            if isinstance(one, dict)
        ),
        request_id=reply.headers.get("x-request-id"),
        retry_after=_retry_after(reply.headers.get("retry-after")),
        members={name: value for name, value in problem.items() if name not in known},
    )


def is_success(status: int) -> bool:
    """Say whether an answer means: done."""
    return 200 <= status < 300  # noqa: PLR2004 - RFC 9110, 15.3


def _read(call: Call[T], reply: Reply) -> T:
    if is_success(reply.status):
        try:
            return call.read(reply)
        except UnexpectedAnswer as error:
            error.request_id = reply.headers.get("x-request-id")
            raise
    if 300 <= reply.status < 400:  # noqa: PLR2004 - RFC 9110, 15.4
        # A redirect is never followed: the token would go where nobody has said that it may.
        raise UnexpectedAnswer(
            "the answer leads to another address: name that one where it is right", status=reply.status
        )
    raise error_of(reply)


def _content(call: Call[Any]) -> tuple[bytes | None, str | None]:
    if call.form is not None:
        return urlencode(call.form).encode(), "application/x-www-form-urlencoded"
    if call.body is not None:
        return json.dumps(call.body, ensure_ascii=False).encode("utf-8", "surrogatepass"), "application/json"
    return None, None


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _retry_after(value: str | None) -> float | None:
    """Read a Retry-After, of seconds or of a date (RFC 9110, 10.2.3), as seconds from now."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
