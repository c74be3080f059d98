"""People of either realm, their roles and their ways in. `realm` is `provider` or a tenant; no secret ever stands here."""

from datetime import datetime
from typing import Literal

from shared.events.values import Data, Person

ProviderRole = Literal["engineer", "manager", "auditor", "operator"]
TenantRole = Literal["global_admin", "lockbox_approver", "user_admin", "auditor"]


class MemberFacts(Data):
    """`by` is the human who did it; null for the server's operator at set-up, and for an issuer's word about its own people.

    `change_id` names the proposed change whose last vote brought it about.
    """

    realm: str
    member: Person
    by: Person | None = None
    change_id: str | None = None


class MemberAdded(MemberFacts):
    """Somebody became a member of a realm."""

    employer: str | None = None
    job_title: str | None = None
    country: str | None = None


class MemberRemoved(MemberFacts):
    """Somebody is no longer a member; his sessions and roles ended with it."""


class RoleAssigned(MemberFacts):
    """A member was given a role; `through` is the id of the issuer that says so, null where a person gave it."""

    role: str
    through: str | None = None


class RoleRemoved(MemberFacts):
    """A member lost a role; `through` as in RoleAssigned."""

    role: str
    through: str | None = None


class PasswordReset(MemberFacts):
    """The old password and every session ended; a one-time link went to the member.

    `reason` is `reset`, `privileged_role` (whoever gets one sets up anew) or `recovery` (by a code that he kept: no link).
    """

    reason: Literal["reset", "privileged_role", "recovery"] = "reset"


class PasswordChanged(MemberFacts):
    """A member changed his own password, after he had shown the old one. His other sessions ended."""


class SetUpCompleted(MemberFacts):
    """A member set a password by the one-time link that had been mailed to him."""


class RecoveryCodesMade(MemberFacts):
    """A global_admin was shown new recovery codes, at his set-up or because he asked for them; the old ones ended."""


class FactorAdded(MemberFacts):
    """A second factor was registered; of a passkey with its public key (COSE), its id and the site that it is bound to.

    `public_key` and `credential_id` are base64url without padding. Nothing here lets anybody sign in.
    """

    factor_id: str
    kind: Literal["totp", "passkey"]
    name: str | None = None
    public_key: str | None = None
    credential_id: str | None = None
    rp_id: str | None = None
    origin: str | None = None


class FactorRemoved(MemberFacts):
    """A second factor was removed."""

    factor_id: str
    kind: Literal["totp", "passkey"] | None = None


class SessionRevoked(MemberFacts):
    """One session ended (`session_id`), or, where that is null, all that began before `before`."""

    session_id: str | None = None
    before: datetime
    reason: str


class SignInFailed(MemberFacts):
    """At most one for each account and minute; `attempts` is how many failed since the one before, from `addresses`."""

    code: str
    attempts: int = 1
    addresses: list[str] = []


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
