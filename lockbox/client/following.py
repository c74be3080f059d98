"""Following the log as it grows: Server-Sent Events read piece by piece, and going on after a break where it was."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator
from typing import Final

from lockbox.client.calls import Call, Reply, given
from lockbox.client.errors import LockboxError, UnexpectedAnswer, Unreachable
from lockbox.client.sending import Caller, Send
from lockbox.client.things.history import Event, event_of

# The service says something every 15 seconds.
SILENCE_SECONDS: Final = 45.0
_LONGEST_LINE: Final = 4 * 1024 * 1024
# A carriage return at the very end may be half of a pair.
_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")


class Lines:
    """Reads a stream of events (https://html.spec.whatwg.org/multipage/server-sent-events.html), cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._id: str | None = None

    def feed(self, piece: bytes) -> Iterator[tuple[str | None, bytes | None]]:
        """Give each (id, data) that a piece completes; data is None where an id came alone."""
        # What was there before holds no end of a line, but for that half.
        looked = max(0, len(self._rest) - 1)
        self._rest += piece
        begin = 0
        for match in _LINE_END.finditer(self._rest, looked):
            yield from self._line(self._rest[begin : match.start()])
            begin = match.end()
        self._rest = self._rest[begin:]
        if len(self._rest) > _LONGEST_LINE:
            raise UnexpectedAnswer("the stream sends a line without end")

    def _line(self, line: bytes) -> Iterator[tuple[str | None, bytes | None]]:
        if not line:
            if self._data or self._id is not None:
                yield self._id, b"\n".join(self._data) if self._data else None
            self._data, self._id = [], None
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")


class Following:
    """Where a reader of the log is, and when he comes back after a break."""

    def __init__(
        self,
        caller: Caller,
        *,
        after: str | None,
        tenant: str | None,
        types: Collection[str],
        subject: str | None,
        patience: float,
    ) -> None:
        self._caller = caller
        self._query = given(tenant=tenant, type=list(types) or None, subject=subject)
        self._patience = patience
        self._lines = Lines()
        self._failed = 0
        self._silent_since = time.monotonic()
        self.cursor = after

    def send(self) -> Send:
        """Give what opens the stream, behind what was seen."""
        self._lines = Lines()
        query = self._query | given(after=self.cursor)
        call: Call[Reply] = Call("GET", "audit", "/v1/events/stream", lambda reply: reply, query=query)
        headers = self._caller.headers(call) | {"Accept": "text/event-stream"}
        return Send("GET", self._caller.url(call), headers, None, SILENCE_SECONDS, float("inf"))

    def received(self, piece: bytes) -> Iterator[Event]:
        """Give the events that a piece of the stream completes. Raises UnexpectedAnswer."""
        self._failed, self._silent_since = 0, time.monotonic()
        for cursor, data in self._lines.feed(piece):
            event = None if data is None else self._event(data, cursor)
            self.cursor = cursor or self.cursor
            if event is not None:
                yield event

    def pause(self, error: LockboxError | None) -> float:
        """Give the wait before coming back; raise the error once it has lasted too long. None: the service ended the stream."""
        self._failed += 1
        if time.monotonic() - self._silent_since > self._patience:
            raise error or Unreachable("the stream ends as soon as it has begun")
        return self._caller.policy.pause(self._failed, None if error is None else error.retry_after)

    @staticmethod
    def _event(data: bytes, cursor: str | None) -> Event:
        try:
            return event_of(json.loads(data), cursor)
        except (ValueError, RecursionError):
            raise UnexpectedAnswer("the stream holds something that is no event") from None
