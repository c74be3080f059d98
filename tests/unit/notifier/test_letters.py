"""What stands in a mail, and what hostile text in it cannot do."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.compose import compose
from services.notifier.domain import Customer, mails_about
from services.notifier.letters import Letter, Letters
from services.notifier.outgoing import Delivery
from services.notifier.wording import instant
from shared.events.envelope import Event, new_id
from shared.lifecycle import RequestState, evolve
from shared.mail.message import NoAddress
from tests.story import EVE, Life

LETTERS = Letters(portal="http://portal.example:8001/")
HOSTILE = '</blockquote><script>alert("x")</script>{{ 7 * 7 }}\r\nBcc: evil@example.com\r\n\r\n\u202egnp.exe'


def letters(life: Life, event: Event, *, links: bool = True, name: str = "Contoso") -> list[Letter]:
    state = evolve(evolve(RequestState(), life.submitted()), event)
    customer = Customer(name, deciders=("dpo@contoso.example",), links_in_mail=links)
    return [
        LETTERS.write(mail, event, state, customer) for mail in mails_about(event, state, customer, datetime.now(UTC))
    ]


def message(
    letter: Letter, *, recipient: str = "dpo@contoso.example", sender: str = "Lockbox <l@box.example>"
) -> EmailMessage:
    delivery = Delivery(
        id=new_id(),
        attempts=1,
        channel="email",
        recipient=recipient,
        event_id=new_id(),
        about="lockbox.request.provider_approved.v1",
        tenant="contoso",
        request_id=new_id(),
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        made_at=datetime.now(UTC),
    )
    return compose(delivery, sender)


def test_who_is_asked_to_decide_reads_all_that_the_decision_needs() -> None:
    life = Life(ticket="SR-4711")
    [letter] = letters(life, life.provider_approved())
    for words in (
        "A request waits for your decision",
        *("Eve Engel", "eve@provider.example", "Support engineer", "Provider Ltd", "IE"),
        *("exchange-online/mailboxes/alice", "read, write", "SR-4711"),
        *("customer support", "The mailbox does not open.", "2 hours", instant(life.decide_by)),
        *("Max Moreau", "Looks right."),
        f"http://portal.example:8001/?request={life.id}",
    ):
        assert words in letter.text
        assert words in letter.html


def test_a_tenant_that_wants_no_links_gets_none() -> None:
    life = Life()
    [letter] = letters(life, life.provider_approved(), links=False)
    assert "http" not in letter.text
    assert "href" not in letter.html


def test_all_mails_about_a_request_have_one_subject_and_other_requests_have_another() -> None:
    life = Life()
    events = (life.provider_approved(), life.approved(), life.denied(), life.expired(), life.denied_by_service("code"))
    subjects = {letter.subject for event in events for letter in letters(life, event)}
    assert len(subjects) == 1
    other = Life()
    assert subjects != {letter.subject for letter in letters(other, other.provider_approved())}


def test_where_the_lockbox_is_off_the_customer_reads_that_nobody_asked_him() -> None:
    life = Life()
    _, letter = letters(life, life.approved(lockbox_on=False))
    assert "your lockbox is switched off" in letter.text
    assert "your lockbox is switched off" in letter.html


def test_hostile_words_stay_words() -> None:
    life = Life(
        detail=HOSTILE,
        ticket=HOSTILE[:60],
        engineer=EVE.model_copy(update={"name": HOSTILE, "employer": HOSTILE, "email": "eve@provider.example"}),
    )
    for event in (
        life.provider_approved(comment=HOSTILE),
        life.approved(),
        life.denied(comment=HOSTILE),
        life.expired(),
    ):
        for letter in letters(life, event, name=HOSTILE):
            assert "<script" not in letter.html
            assert "&lt;script&gt;" in letter.html
            assert "\u202e" not in letter.html + letter.text + letter.subject
            assert "\nBcc" not in letter.text
            assert "\n" not in letter.subject
            mail = message_from_bytes(message(letter).as_bytes(policy=SMTP), policy=default)
            assert mail["Bcc"] is None
            assert mail["To"] == "dpo@contoso.example"


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_in_a_subject_makes_a_header_of_its_own(ticket: str, name: str) -> None:
    life = Life(ticket=ticket.encode("utf-8", "replace").decode())
    [letter] = letters(life, life.provider_approved(), name=name.encode("utf-8", "replace").decode())
    mail = message_from_bytes(message(letter).as_bytes(policy=SMTP), policy=default)
    assert set(mail.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"),
        *("MIME-Version", "Content-Type"),
    }


def test_a_recipient_that_is_no_address_is_refused_before_any_server_sees_it() -> None:
    life = Life()
    [letter] = letters(life, life.provider_approved())
    for recipient in (
        "a@b.example\r\nBcc: evil@c.example",
        "a@b.example, evil@c.example",
        "<a@b>",
        "nobody",
        "a b@c",
        "",
    ):
        with pytest.raises(NoAddress):
            message(letter, recipient=recipient)


def test_both_forms_of_a_mail_say_the_same_to_readers_of_text_and_of_html() -> None:
    life = Life(detail="Größe 😀")
    [letter] = letters(life, life.provider_approved())
    mail = message_from_bytes(message(letter).as_bytes(policy=SMTP), policy=default)
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    for part in mail.iter_parts():
        assert "Größe 😀" in part.get_content()
        assert max(len(row) for row in part.as_bytes(policy=SMTP).split(b"\r\n")) <= 80
