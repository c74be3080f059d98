"""Makes the message that goes to the mail server, from a delivery."""

import re
from datetime import UTC
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from services.notifier.outgoing import Delivery
from services.notifier.wording import line

# RFC 5321, 4.5.3.1: a path has at most 256 octets with its brackets.
_ADDRESS = re.compile(r"""[^\s@<>"(),:;\\\x00-\x1f\x7f]+@[^\s@<>"(),;\\\x00-\x1f\x7f]+""")
_LONGEST_ADDRESS = 254


class NoAddress(ValueError):
    """The recipient is no address that mail can be sent to."""


def compose(delivery: Delivery, mail_from: str) -> EmailMessage:
    """Make the message. Its Message-ID and date are the delivery's, so that a second sending is recognizable as the same mail.

    Raises NoAddress.
    """
    if not _ADDRESS.fullmatch(delivery.recipient) or len(delivery.recipient.encode()) > _LONGEST_ADDRESS:
        raise NoAddress(f"{line(delivery.recipient, 80)} is no address that mail can be sent to")
    domain = parseaddr(mail_from)[1].rpartition("@")[2] or "localhost"
    # A message that was never sent: all mails about a request refer to it, and so to each other.
    thread = f"<request.{re.sub('[^A-Za-z0-9-]', '', delivery.request_id)}@{domain}>"
    message = EmailMessage()
    message["From"] = mail_from
    message["To"] = delivery.recipient
    message["Subject"] = line(delivery.subject)
    message["Date"] = format_datetime(delivery.made_at.astimezone(UTC))
    message["Message-ID"] = f"<{delivery.id}@{domain}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    # RFC 3834: nobody's vacation notice comes back.
    message["Auto-Submitted"] = "auto-generated"
    # Quoted-printable reads well as a file, and passes through every server with its line ends.
    message.set_content(delivery.text, cte="quoted-printable")
    message.add_alternative(delivery.html, subtype="html", cte="quoted-printable")
    return message


def envelope_sender(mail_from: str) -> str:
    """Return the bare address of the sender."""
    return parseaddr(mail_from)[1]
