"""Makes the message that goes to the mail server: text and HTML, recognizable when it is sent a second time."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from shared.mail.text import line

# RFC 5321, 4.5.3.1: a path has at most 256 octets with its brackets.
_ADDRESS = re.compile(r"""[^\s@<>"(),:;\\\x00-\x1f\x7f]+@[^\s@<>"(),;\\\x00-\x1f\x7f]+""")
_LONGEST_ADDRESS = 254


class NoAddress(ValueError):
    """The recipient is no address that mail can be sent to."""


def write_message(
    *,
    mail_from: str,
    recipient: str,
    subject: str,
    text: str,
    html: str,
    mail_id: str,
    made_at: datetime,
    headers: Mapping[str, str] | None = None,
) -> EmailMessage:
    """Make a message. Its Message-ID and date are the mail's own, so that a second sending is recognizable as the same mail.

    Raises NoAddress.
    """
    if not _ADDRESS.fullmatch(recipient) or len(recipient.encode()) > _LONGEST_ADDRESS:
        raise NoAddress(f"{line(recipient, 80)} is no address that mail can be sent to")
    message = EmailMessage()
    message["From"] = mail_from
    message["To"] = recipient
    message["Subject"] = line(subject)
    message["Date"] = format_datetime(made_at.astimezone(UTC))
    message["Message-ID"] = f"<{mail_id}@{sender_domain(mail_from)}>"
    for name, value in (headers or {}).items():
        message[name] = value
    # RFC 3834: nobody's vacation notice comes back.
    message["Auto-Submitted"] = "auto-generated"
    # Quoted-printable reads well as a file, and passes through every server with its line ends.
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def sender_domain(mail_from: str) -> str:
    """Return the domain of the sender, by which ids of messages are made unique."""
    return envelope_sender(mail_from).rpartition("@")[2] or "localhost"


def envelope_sender(mail_from: str) -> str:
    """Return the bare address of the sender."""
    return parseaddr(mail_from)[1]
