"""Access under a grant: its tokens and its ends. A grant is the fixed interval that RequestApproved names."""

from datetime import datetime

from shared.events.values import Person, RequestFacts, Resource


class GrantFacts(RequestFacts):
    """What every event about a grant names."""

    grant_id: str


class AccessTokenIssued(GrantFacts):
    """A grant token was given to the engineer. The token itself stands nowhere."""

    token_id: str
    engineer: Person
    access_until: datetime


class AccessReleased(GrantFacts):
    """The engineer gave the grant back."""

    by: Person


class AccessRevoked(GrantFacts):
    """A human, or (`by` null) the service, ended the grant before its time; `code` says why where it was the service."""

    by: Person | None
    reason: str
    code: str | None = None


class AccessExpired(GrantFacts):
    """The clock passed `access_until`."""

    access_until: datetime


class AccessReviewed(GrantFacts):
    """Approved against done, after the end."""

    approved: list[Resource]
    used: list[Resource]
    refused: int
