"""The mail server: a connection, and what its answers mean for a delivery."""

import asyncio
import functools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import urlsplit

import aiosmtplib

from shared.mail.text import line
from shared.settings import Settings

TIMEOUT_SECONDS = 20.0
# One mail takes at most this long, whatever the server does with the single commands.
LONGEST_SECONDS = 60.0
_PERMANENT = 500
_REASON_LIMIT = 300


class Refused(Exception):
    """The server will never take this mail for this recipient."""


class NotNow(Exception):
    """The mail was not taken, or nobody knows; a later try may succeed."""


class Unreachable(NotNow):
    """There is no working connection to the server."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `start_tls` None means: where the server offers it."""

    host: str
    port: int
    tls: bool = False
    start_tls: bool | None = None
    user: str | None = None
    password: str | None = None
    timeout: float = TIMEOUT_SECONDS

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Session"]:
        """Open a connection for the length of the block. Raises Unreachable when there is none to be had."""
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            use_tls=self.tls,
            start_tls=False if self.tls else self.start_tls,
            username=self.user,
            password=self.password,
            timeout=self.timeout,
            local_hostname=await asyncio.to_thread(_own_name),
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unreachable(_reason(error)) from error
        try:
            yield Session(client)
            await _quit(client)
        finally:
            client.close()


@functools.cache
def _own_name() -> str:
    """Return the name to greet with. Asked once: where names resolve slowly, no mail waits for it."""
    return socket.getfqdn()


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Take leave; a server that has hung up already misses nothing."""
    if client.is_connected:
        try:
            await client.quit()
        except (aiosmtplib.SMTPException, OSError):
            client.close()


class Session:
    """One connection, for any number of mails."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client

    @property
    def is_open(self) -> bool:
        return self._client.is_connected

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Hand a mail in for one recipient. Raises Refused, NotNow or Unreachable."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._client.send_message(message, sender=sender, recipients=[recipient])
        except aiosmtplib.SMTPRecipientsRefused as error:
            answer = error.recipients[0]
            raise (Refused if answer.code >= _PERMANENT else NotNow)(_reason(answer)) from error
        except aiosmtplib.SMTPDataError as error:
            raise (Refused if error.code >= _PERMANENT else NotNow)(_reason(error)) from error
        except aiosmtplib.SMTPNotSupported as error:
            # The address needs SMTPUTF8.
            raise Refused(_reason(error)) from error
        except aiosmtplib.SMTPResponseException as error:
            # It does not want this sender, or nobody at all: no word about the recipient.
            raise NotNow(_reason(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            # Lost, or out of step: nothing more goes over this connection.
            self._client.close()
            raise Unreachable(_reason(error)) from error
        except ValueError as error:
            raise Refused(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return line(f"{error.code} {error.message}", _REASON_LIMIT)
    return line(str(error) or type(error).__name__, _REASON_LIMIT)


def mail_server(settings: Settings) -> MailServer:
    """Return the server that the settings name.

    With a password, `auto` means `required`: it is never sent where somebody on the way took the offer of STARTTLS out.
    """
    parts = urlsplit(settings.smtp_url)
    tls = parts.scheme == "smtps"
    password = None if settings.smtp_password is None else settings.smtp_password.get_secret_value()
    start_tls = {"required": True, "off": False, "auto": True if password else None}[settings.smtp_starttls]
    return MailServer(
        host=parts.hostname or "localhost",
        port=parts.port or (465 if tls else 25),
        tls=tls,
        start_tls=start_tls,
        user=settings.smtp_user,
        password=password,
    )
