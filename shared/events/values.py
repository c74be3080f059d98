"""The pieces that event data is made of: people, resources, reasons. They are shown to humans and hashed, so they stay plain."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

Category = Literal["customer_support", "provider_maintenance", "security_incident", "legal_demand", "production_alert"]
Stage = Literal["provider", "customer"]
Vote = Literal["approve", "deny"]
EndedBy = Literal["expired", "revoked", "released"]


class Data(BaseModel):
    """What an event says. Frozen; a field that this version does not know is passed over, so a reader may be older."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Person(Data):
    """Somebody, as he was known at the moment of the event."""

    id: str
    email: str
    name: str


class Engineer(Person):
    """Who asks for access, with what a customer needs to know about him."""

    employer: str | None = None
    job_title: str | None = None
    country: str | None = None


class Decider(Person):
    """The human behind a decision: the roles that he held and how he had shown who he is.

    `method` is `password`, `password+totp` or `oidc`, with `+passkey` where he signed the decision itself.
    """

    roles: list[str]
    method: str


class Assertion(Data):
    """A passkey's signature over one decision (WebAuthn Level 2, 7.2), each part base64url without padding.

    The challenge is the SHA-256 of the decision's statement (`shared.statement`), so that anybody who has the event and the
    public key of FactorAdded can check it.
    """

    credential_id: str
    authenticator_data: str
    client_data_json: str
    signature: str


class Reason(Data):
    """Why access is needed: a category of the contract and the engineer's own words."""

    category: Category
    detail: str


class Resource(Data):
    """A path and what may be done to it and to everything below it."""

    id: str
    operations: list[str]


class RequestFacts(Data):
    """What a decision is about: repeated in each decision, so that it can be read alone."""

    request_id: str
    tenant: str


class Decision(RequestFacts):
    """What every human decision on a request says.

    `resources` and `duration` are those granted (for a denial and a provider's approval: those asked for).
    `request_digest` is the SHA-256, in lower-case hex, of the bytes of the RequestSubmitted that the human was shown.
    `assertion` is there where he signed the decision with a passkey.
    """

    approver: Decider | None = None
    comment: str | None = None
    resources: list[Resource]
    duration: timedelta
    access_from: datetime | None = None
    access_until: datetime | None = None
    settings_version: int
    request_digest: str
    assertion: Assertion | None = None


class Reminder(Data):
    """When `left` of the decision window remains, tell `to`."""

    left: timedelta
    to: Literal["approvers", "global_admins"]


SecondFactor = Literal["off", "any", "passkey"]


class Settings(Data):
    """A tenant's settings, as its people change them (durations ISO 8601).

    `second_factor` is what a decision needs beside the sign-in: nothing, a one-time password or passkey, or a passkey.
    """

    enabled: bool = False
    decision_window: timedelta = timedelta(hours=12)
    max_duration: timedelta = timedelta(hours=4)
    approvals_required: int = 1
    services: list[str] = []
    notify: list[str] = []
    reminders: list[Reminder] = []
    links_in_mail: bool = True
    second_factor: SecondFactor = "off"
    sinks: list[dict[str, str]] = []
