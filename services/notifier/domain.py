"""Which mails follow from an event, and to whom. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.events.envelope import Event
from shared.events.requests import ProviderApproved, RequestExpired
from shared.lifecycle import RequestState

# What happened longer ago is history that is told again (a backfill), and no news to anybody.
NEWS = timedelta(days=7)


class Audience(StrEnum):
    """Who reads a mail; each has a wording of its own."""

    DECIDERS = "deciders"
    ENGINEER = "engineer"
    APPROVERS = "approvers"


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant as its mails need it. `deciders` are the addresses of those who may decide, `notify` of those who want to know."""

    name: str
    deciders: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    links_in_mail: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """What is to be told to whom. `kind` names the wording."""

    kind: str
    audience: Audience
    recipients: tuple[str, ...]


def mails_about(event: Event, state: RequestState, customer: Customer, now: datetime) -> list[Mail]:
    """Return the mails that an event makes; no address gets two. `state` is the request's, with its submission."""
    assert state.submitted is not None
    mails = []
    told: set[str] = set()
    for mail in TOLD[event.type](event, state, customer, now):
        new = {recipient.casefold(): recipient for recipient in mail.recipients if recipient.casefold() not in told}
        told |= new.keys()
        if new:
            mails.append(Mail(mail.kind, mail.audience, tuple(new.values())))
    return mails


def _provider_approved(event: Event, state: RequestState, customer: Customer, now: datetime) -> list[Mail]:
    approval: ProviderApproved = event.data
    assert state.submitted is not None
    if approval.approvals_required == 0 or now >= state.submitted.decide_by:
        # With the lockbox off nobody is asked; with the window closed there is nothing left to decide.
        return []
    return [Mail("waiting", Audience.DECIDERS, customer.deciders + customer.notify)]


def _outcome(kind: str) -> Callable[[Event, RequestState, Customer, datetime], list[Mail]]:
    def mails(event: Event, state: RequestState, customer: Customer, now: datetime) -> list[Mail]:
        assert state.submitted is not None
        if now - event.time > NEWS:
            return []
        engineer = Mail(kind, Audience.ENGINEER, (state.submitted.engineer.email,))
        if isinstance(event.data, RequestExpired) and event.data.stage == "provider":
            # The customer was never asked.
            return [engineer]
        return [engineer, Mail(kind, Audience.APPROVERS, customer.deciders)]

    return mails


TOLD: dict[str, Callable[[Event, RequestState, Customer, datetime], list[Mail]]] = {
    "lockbox.request.provider_approved.v1": _provider_approved,
    "lockbox.request.approved.v1": _outcome("approved"),
    "lockbox.request.denied.v1": _outcome("denied"),
    "lockbox.request.expired.v1": _outcome("expired"),
}
