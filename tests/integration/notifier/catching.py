"""A real SMTP server that keeps what it takes, and answers as a test tells it to."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass(frozen=True)
class Caught:
    """A mail as it came: its envelope and its message."""

    sender: str
    recipient: str
    message: EmailMessage

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        content: str = part.get_content()
        return content.replace("\r\n", "\n")


@dataclass
class Catcher:
    """`at_recipient` and `at_data` hold answers by recipient, taken one after the other; without one a mail is taken.

    `taken` is called when a mail has been taken and the server has not said so yet.
    """

    mails: list[Caught] = field(default_factory=list)
    at_recipient: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    at_data: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    taken: Callable[[Caught], Awaitable[None]] | None = None
    port: int = 0
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def to(self, recipient: str) -> list[Caught]:
        return [mail for mail in self.mails if mail.recipient == recipient]

    async def start(self) -> None:
        """Listen; after a stop on the same port again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="catcher.example", loop=loop, enable_SMTPUTF8=True), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it by this name.
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if self.at_recipient[address]:
            return self.at_recipient[address].popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        [recipient] = envelope.rcpt_tos
        if self.at_data[recipient]:
            return self.at_data[recipient].popleft()
        message = message_from_bytes(envelope.content, policy=default)
        caught = Caught(envelope.mail_from, recipient, message)
        self.mails.append(caught)
        if self.taken is not None:
            await self.taken(caught)
        return "250 taken"


@asynccontextmanager
async def catching() -> AsyncIterator[Catcher]:
    catcher = Catcher()
    await catcher.start()
    try:
        yield catcher
    finally:
        await catcher.stop()
