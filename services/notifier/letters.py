"""Writes mails: the facts of a request and an event, through the templates, as text and as HTML."""

from dataclasses import dataclass

from services.notifier.domain import Customer, Mail
from services.notifier.wording import instant, length, quoted
from shared.events.envelope import Event
from shared.lifecycle import RequestState
from shared.mail.templates import mail_templates
from shared.mail.text import line

SUBJECT_LIMIT = 150


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail's words. `subject` is the same for all mails about one request, so that they stay together."""

    subject: str
    text: str
    html: str


class Letters:
    """`portal` is where approvers decide: `approval`'s own address."""

    def __init__(self, *, portal: str, demo: bool = False) -> None:
        self._portal = portal.rstrip("/")
        self._demo = demo
        self._templates = mail_templates("services.notifier")
        self._templates.filters |= {"quoted": quoted, "instant": instant, "length": length}

    def write(self, mail: Mail, event: Event, state: RequestState, customer: Customer) -> Letter:
        """Write one mail. `state` has the request's submission."""
        submitted = state.submitted
        assert submitted is not None
        facts = {
            "audience": mail.audience.value,
            "request": submitted,
            "event": event.data,
            "customer": customer.name,
            "category": submitted.reason.category.replace("_", " "),
            "link": f"{self._portal}/?request={submitted.request_id}" if customer.links_in_mail else None,
            "demo": self._demo,
        }
        return Letter(
            subject=subject(state, customer),
            text=self._templates.get_template(f"{mail.kind}.txt").render(facts),
            html=self._templates.get_template(f"{mail.kind}.html").render(facts),
        )


def subject(state: RequestState, customer: Customer) -> str:
    """Return the one subject of all mails about a request: one line of visible characters."""
    submitted = state.submitted
    assert submitted is not None
    known = f"{line(submitted.ticket, 40)}: access to {line(submitted.service, 40)} of {line(customer.name, 40)}"
    # The end of a UUIDv7 is random; it keeps two requests of one ticket apart.
    return line(f"[Lockbox] {known} ({submitted.request_id[-8:]})", SUBJECT_LIMIT)
