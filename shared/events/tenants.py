"""A tenant, its entitlement, its lockbox and its settings. The tenant's own people alone change the last two."""

from datetime import datetime

from shared.events.values import Data, Decider, Person, Settings, Vote


class Change(Data):
    """A field's value before and after; of a list, what was added and removed."""

    before: object = None
    after: object = None
    added: list[object] = []
    removed: list[object] = []


class TenantRegistered(Data):
    """A customer was registered, with its entitlement and its first settings; `by` an operator, or null at a set-up."""

    tenant: str
    name: str
    entitled: bool
    settings: Settings
    settings_version: int
    by: Person | None = None


class EntitlementChanged(Data):
    """The right to switch the lockbox on was given or taken. Losing it switches nothing off."""

    tenant: str
    entitled: bool
    by: Person | None = None


class LockboxEnabled(Data):
    """From now on access needs the customer's decision.

    Here and in every event below, `change_id` names the proposed change whose last vote brought it about; `by` cast that vote.
    """

    tenant: str
    by: Decider
    settings_version: int
    changes: dict[str, Change] = {}
    change_id: str | None = None


class LockboxDisabled(Data):
    """From now on the manager's approval suffices; what was waiting still waits."""

    tenant: str
    by: Decider
    settings_version: int
    changes: dict[str, Change] = {}
    change_id: str | None = None


class TenantSettingsChanged(Data):
    """`changes` names each changed field with what it was and is; `settings` is the whole as it is now."""

    tenant: str
    by: Decider
    settings_version: int
    settings: Settings
    changes: dict[str, Change]
    change_id: str | None = None


class ChangeProposed(Data):
    """A change that weakens protection waits for votes; proposing it is the proposer's own vote.

    `kind` is `settings`, `member_added`, `role_assigned`, `password_reset`, `factors_removed` or `issuer_added`.
    `changes` are those of settings; `member` and `roles` say whose roles or credentials it is about, `issuer` whose word.
    """

    tenant: str
    change_id: str
    kind: str
    changes: dict[str, Change]
    by: Decider
    approvals_required: int
    member: Person | None = None
    roles: list[str] = []
    issuer: str | None = None
    expires_at: datetime | None = None


class ChangeVoted(Data):
    """Somebody voted on a proposed change.

    `outcome` says what the vote brought about, where it did: `carried`, `rejected`, or `void` where the world had changed so
    that it could not be carried out.
    """

    tenant: str
    change_id: str
    vote: Vote
    by: Decider
    outcome: str | None = None


class IssuerAdded(Data):
    """The tenant trusts an OIDC issuer, and maps its groups to roles."""

    tenant: str
    issuer_id: str
    issuer: str
    audience: str
    algorithm: str
    mapping: dict[str, str]
    by: Person
    change_id: str | None = None


class IssuerRemoved(Data):
    """The tenant no longer trusts an OIDC issuer."""

    tenant: str
    issuer_id: str
    issuer: str
    by: Person
