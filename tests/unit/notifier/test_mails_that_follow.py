"""Which mails follow from an event, and to whom."""

from datetime import UTC, datetime, timedelta

from services.notifier.domain import Audience, Customer, Mail, mails_about
from services.notifier.handlers import make_handlers
from services.notifier.letters import Letters
from shared.events.envelope import Event
from shared.lifecycle import RequestState, evolve
from shared.messaging.subscriptions import CONSUMES
from tests.story import EVE, Life

CONTOSO = Customer(
    "Contoso", deciders=("admin@contoso.example", "dpo@contoso.example"), notify=("soc@contoso.example",)
)
LIFE = Life()


def mails(event: Event, *, customer: Customer = CONTOSO, now: datetime | None = None) -> list[Mail]:
    state = evolve(evolve(RequestState(), LIFE.submitted()), event)
    return mails_about(event, state, customer, now or datetime.now(UTC))


def test_the_handlers_cover_exactly_what_the_service_consumes() -> None:
    assert set(make_handlers(Letters(portal="http://portal.example"))) == CONSUMES["notifier"]


def test_the_providers_approval_asks_those_who_may_decide_and_tells_those_who_want_to_know() -> None:
    [mail] = mails(LIFE.provider_approved())
    assert (mail.kind, mail.audience) == ("waiting", Audience.DECIDERS)
    assert mail.recipients == ("admin@contoso.example", "dpo@contoso.example", "soc@contoso.example")


def test_with_the_lockbox_off_nobody_is_asked() -> None:
    assert mails(LIFE.provider_approved(approvals_required=0)) == []


def test_nobody_is_asked_for_a_decision_once_the_window_is_closed() -> None:
    assert mails(LIFE.provider_approved(), now=LIFE.decide_by) == []


def test_an_outcome_goes_to_the_engineer_and_to_those_who_may_decide() -> None:
    for event, kind in ((LIFE.approved(), "approved"), (LIFE.denied(), "denied"), (LIFE.expired(), "expired")):
        assert mails(event) == [
            Mail(kind, Audience.ENGINEER, (EVE.email,)),
            Mail(kind, Audience.APPROVERS, CONTOSO.deciders),
        ]


def test_a_request_that_expired_before_the_customer_was_asked_is_told_to_the_engineer_alone() -> None:
    assert mails(LIFE.expired(stage="provider")) == [Mail("expired", Audience.ENGINEER, (EVE.email,))]


def test_an_outcome_of_last_week_is_history_and_makes_no_mail() -> None:
    assert mails(LIFE.denied(), now=datetime.now(UTC) + timedelta(days=8)) == []


def test_no_address_gets_two_mails_about_one_event() -> None:
    customer = Customer("Contoso", deciders=(EVE.email.upper(), "a@contoso.example"), notify=("A@contoso.example",))
    assert [mail.recipients for mail in mails(LIFE.denied(), customer=customer)] == [
        (EVE.email,),
        ("a@contoso.example",),
    ]
    assert [mail.recipients for mail in mails(LIFE.provider_approved(), customer=customer)] == [
        (EVE.email.upper(), "A@contoso.example")
    ]
