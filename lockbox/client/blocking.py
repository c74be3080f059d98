"""`lockbox.Client`: every method returns when its call is done."""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from lockbox.client.addresses import Addresses
from lockbox.client.calls import Call, Reply
from lockbox.client.errors import LockboxError, TooManyAttempts, Unavailable, UnexpectedAnswer, Unreachable
from lockbox.client.following import Following
from lockbox.client.groups import More, Sync
from lockbox.client.operations.account import sign_in, sign_in_as_machine, sign_out
from lockbox.client.operations.history import end_of_log
from lockbox.client.reading import Page
from lockbox.client.sending import MOST_BYTES, Caller, Policy, Program, Send, error_of, is_success, run
from lockbox.client.surface import Surface, caller_for, reply_of, shown, straight, timeouts, trusted, unreachable
from lockbox.client.things.history import Event
from lockbox.client.things.people import SignedIn

T = TypeVar("T")


class _Transport:
    """Runs programs in the caller's thread."""

    def __init__(self, caller: Caller, http: httpx.Client) -> None:
        self.caller = caller
        self.http = http

    def run(self, program: Program[T]) -> T:
        return run(program, self._send, time.sleep)

    def each(self, call: Call[Page[T]], more: More) -> Iterator[T]:
        following: Call[Page[T]] | None = call
        while following is not None:
            page = self.run(self.caller.call(following))
            yield from page.items
            following = more(following, page)

    def open(self, send: Send) -> Any:
        return self.http.stream(
            send.method, send.url, headers=dict(send.headers), content=send.content, timeout=timeouts(send.timeout)
        )

    def _send(self, send: Send) -> Reply:
        try:
            with self.open(send) as response:
                content = b""
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > MOST_BYTES:
                        raise UnexpectedAnswer("the answer is too long", status=response.status_code)
                    if time.monotonic() > send.deadline:
                        raise Unreachable(f"{send.url.partition('?')[0]}: the answer took too long")
                return reply_of(response, content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(error, send.url) from None


class Client(Surface[Sync]):
    """Speaks with the services of one system as one person or machine. Also a context manager; one thread at a time.

    `addresses` are those of the three services, or one base below which all are found. `tls` stands in for the system's
    certificates. Every operation raises LockboxError, of a kind.
    """

    def __init__(
        self,
        addresses: Addresses | str,
        *,
        token: str | None = None,
        policy: Policy | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        caller = caller_for(addresses, token, policy)
        http = httpx.Client(
            verify=trusted(caller.addresses, tls),
            transport=transport,
            mounts=straight(caller.addresses),
            follow_redirects=False,
        )
        self._made = _Transport(caller, http)
        super().__init__(self._made)

    def __repr__(self) -> str:
        return shown(type(self).__name__, self._made.caller)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._made.http.close()

    @property
    def token(self) -> str | None:
        """The session's token, under which calls are made."""
        return self._made.caller.token

    @token.setter
    def token(self, token: str | None) -> None:
        self._made.caller.token = token

    def sign_in(self, realm: str, email: str, password: str, code: str | None = None) -> SignedIn:
        """Open a session and use it from now on. Raises Unauthorized: `code_required` where a TOTP code is needed."""
        session = self._made.run(self._made.caller.call(sign_in(realm, email, password, code)))
        self.token = session.access_token
        return session

    def sign_in_as_machine(self, client_id: str, client_secret: str) -> SignedIn:
        """Fetch a machine client's token and use it from now on."""
        session = self._made.run(self._made.caller.call(sign_in_as_machine(client_id, client_secret)))
        self.token = session.access_token
        return session

    def sign_out(self) -> None:
        """End the session."""
        self._made.run(self._made.caller.call(sign_out()))
        self.token = None

    def follow(
        self,
        *,
        after: str | None = None,
        tenant: str | None = None,
        types: Collection[str] = (),
        subject: str | None = None,
        patience: float = 300.0,
    ) -> Iterator[Event]:
        """Follow the log as it grows, from a cursor (`Event.cursor`) or from now on; a break is healed without a gap.

        Raises LockboxError once nothing was heard for longer than `patience` seconds, or when one may read no more.
        """
        start = after or self._made.run(self._made.caller.call(end_of_log(tenant)))
        following = Following(
            self._made.caller, after=start, tenant=tenant, types=types, subject=subject, patience=patience
        )
        while True:
            send = following.send()
            failure: LockboxError | None = None
            try:
                with self._made.open(send) as response:
                    if not is_success(response.status_code):
                        raise error_of(reply_of(response, response.read()))
                    for piece in response.iter_bytes():
                        yield from following.received(piece)
            except (Unavailable, TooManyAttempts) as error:
                failure = error
            except httpx.HTTPError as error:
                failure = unreachable(error, send.url)
            time.sleep(following.pause(failure))
