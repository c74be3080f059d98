"""Makes the message that goes to the mail server, from a delivery."""

import re
from email.message import EmailMessage

from services.notifier.outgoing import Delivery
from shared.mail.message import sender_domain, write_message


def compose(delivery: Delivery, mail_from: str) -> EmailMessage:
    """Make the message, by which a second sending is recognizable as the same mail. Raises NoAddress."""
    # A message that was never sent: all mails about a request refer to it, and so to each other.
    request = re.sub("[^A-Za-z0-9-]", "", delivery.request_id)
    thread = f"<request.{request}@{sender_domain(mail_from)}>"
    return write_message(
        mail_from=mail_from,
        recipient=delivery.recipient,
        subject=delivery.subject,
        text=delivery.text,
        html=delivery.html,
        mail_id=delivery.id,
        made_at=delivery.made_at,
        headers={"In-Reply-To": thread, "References": thread},
    )
