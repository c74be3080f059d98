"""People of either realm, their roles and their ways in. `realm` is `provider` or a tenant; no secret ever stands here."""

from datetime import datetime
from typing import Literal

from shared.events.values import Data, Person

ProviderRole = Literal["engineer", "manager", "auditor", "operator"]
TenantRole = Literal["global_admin", "lockbox_approver", "user_admin", "auditor"]


class MemberFacts(Data):
    """`by` is the human who did it; null for the server's operator at set-up."""

    realm: str
    member: Person
    by: Person | None = None


class MemberAdded(MemberFacts):
    """Somebody became a member of a realm."""

    employer: str | None = None
    job_title: str | None = None
    country: str | None = None


class MemberRemoved(MemberFacts):
    """Somebody is no longer a member; his sessions and roles ended with it."""


class RoleAssigned(MemberFacts):
    """A member was given a role."""

    role: str


class RoleRemoved(MemberFacts):
    """A member lost a role."""

    role: str


class PasswordReset(MemberFacts):
    """The old password and every session ended; a one-time link went to the member."""


class FactorAdded(MemberFacts):
    """A second factor was registered; of a passkey with its public key."""

    factor_id: str
    kind: Literal["totp", "passkey"]
    public_key: str | None = None


class FactorRemoved(MemberFacts):
    """A second factor was removed."""

    factor_id: str


class SessionRevoked(MemberFacts):
    """One session ended (`session_id`), or all that began before `before`."""

    session_id: str | None = None
    before: datetime
    reason: str


class SignInFailed(MemberFacts):
    """At most one for each account and minute."""

    code: str


class ClientCreated(Data):
    """A machine's credential; its secret was shown once and stands nowhere."""

    realm: str
    client_id: str
    name: str
    scopes: list[str]
    by: Person | None = None


class ClientRevoked(Data):
    """A machine's credential ended."""

    realm: str
    client_id: str
    name: str
    by: Person | None = None
