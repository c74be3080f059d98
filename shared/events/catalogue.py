"""Every event type, its data class and its one owner: only the owner publishes it. The vocabulary of the audit log."""

from dataclasses import dataclass

from shared.events import access, actions, log, members, requests, tenants
from shared.events.values import Data

DataClass = type[Data]

SERVICES = ("request_api", "approval", "notifier", "audit", "expiry")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of event.

    `adds` marks what only adds a record (actions, notes): such an event changes no state of its subject and has no revision.
    """

    type: str
    data: DataClass
    owner: str
    adds: bool = False


_KINDS = [
    Kind("lockbox.access.expired.v1", access.AccessExpired, "expiry"),
    Kind("lockbox.access.released.v1", access.AccessReleased, "request_api"),
    Kind("lockbox.access.reviewed.v1", access.AccessReviewed, "audit", adds=True),
    Kind("lockbox.access.revoked.v1", access.AccessRevoked, "approval"),
    Kind("lockbox.access.token_issued.v1", access.AccessTokenIssued, "request_api"),
    Kind("lockbox.action.completed.v1", actions.ActionCompleted, "request_api", adds=True),
    Kind("lockbox.action.recorded.v1", actions.ActionRecorded, "request_api", adds=True),
    Kind("lockbox.action.refusals_summarized.v1", actions.RefusalsSummarized, "request_api", adds=True),
    Kind("lockbox.action.refused.v1", actions.ActionRefused, "request_api", adds=True),
    Kind("lockbox.client.created.v1", members.ClientCreated, "approval"),
    Kind("lockbox.client.revoked.v1", members.ClientRevoked, "approval"),
    Kind("lockbox.log.checkpoint_signed.v1", log.CheckpointSigned, "audit", adds=True),
    Kind("lockbox.log.erased.v1", log.LogErased, "audit", adds=True),
    Kind("lockbox.log.exported.v1", log.LogExported, "audit", adds=True),
    Kind("lockbox.log.gap_closed.v1", log.GapClosed, "audit", adds=True),
    Kind("lockbox.log.gap_detected.v1", log.GapDetected, "audit", adds=True),
    Kind("lockbox.log.message_quarantined.v1", log.MessageQuarantined, "audit", adds=True),
    Kind("lockbox.log.pruned.v1", log.LogPruned, "audit", adds=True),
    Kind("lockbox.log.read.v1", log.LogRead, "audit", adds=True),
    Kind("lockbox.log.sequence_conflict.v1", log.SequenceConflict, "audit", adds=True),
    Kind("lockbox.log.sink_behind.v1", log.SinkBehind, "audit", adds=True),
    Kind("lockbox.log.sink_recovered.v1", log.SinkRecovered, "audit", adds=True),
    Kind("lockbox.member.added.v1", members.MemberAdded, "approval"),
    Kind("lockbox.member.factor_added.v1", members.FactorAdded, "approval"),
    Kind("lockbox.member.factor_removed.v1", members.FactorRemoved, "approval"),
    Kind("lockbox.member.password_changed.v1", members.PasswordChanged, "approval", adds=True),
    Kind("lockbox.member.password_reset.v1", members.PasswordReset, "approval"),
    Kind("lockbox.member.recovery_codes_made.v1", members.RecoveryCodesMade, "approval", adds=True),
    Kind("lockbox.member.removed.v1", members.MemberRemoved, "approval"),
    Kind("lockbox.member.role_assigned.v1", members.RoleAssigned, "approval"),
    Kind("lockbox.member.role_removed.v1", members.RoleRemoved, "approval"),
    Kind("lockbox.member.session_revoked.v1", members.SessionRevoked, "approval", adds=True),
    Kind("lockbox.member.set_up_completed.v1", members.SetUpCompleted, "approval", adds=True),
    Kind("lockbox.member.sign_in_failed.v1", members.SignInFailed, "approval", adds=True),
    Kind("lockbox.notification.delivered.v1", log.NotificationDelivered, "notifier", adds=True),
    Kind("lockbox.notification.failed.v1", log.NotificationFailed, "notifier", adds=True),
    Kind("lockbox.request.approved.v1", requests.RequestApproved, "approval"),
    Kind("lockbox.request.denied.v1", requests.RequestDenied, "approval"),
    Kind("lockbox.request.expired.v1", requests.RequestExpired, "approval"),
    Kind("lockbox.request.information_provided.v1", requests.InformationProvided, "request_api"),
    Kind("lockbox.request.information_requested.v1", requests.InformationRequested, "approval"),
    Kind("lockbox.request.provider_approved.v1", requests.ProviderApproved, "approval"),
    Kind("lockbox.request.provider_denied.v1", requests.ProviderDenied, "approval"),
    Kind("lockbox.request.reminder_due.v1", requests.ReminderDue, "expiry"),
    Kind("lockbox.request.sealed.v1", requests.RequestSealed, "audit", adds=True),
    Kind("lockbox.request.submitted.v1", requests.RequestSubmitted, "request_api"),
    Kind("lockbox.request.vote_cast.v1", requests.VoteCast, "approval"),
    Kind("lockbox.request.window_closed.v1", requests.DecisionWindowClosed, "expiry"),
    Kind("lockbox.request.withdrawn.v1", requests.RequestWithdrawn, "request_api"),
    Kind("lockbox.tenant.change_proposed.v1", tenants.ChangeProposed, "approval"),
    Kind("lockbox.tenant.change_voted.v1", tenants.ChangeVoted, "approval"),
    Kind("lockbox.tenant.entitlement_changed.v1", tenants.EntitlementChanged, "approval"),
    Kind("lockbox.tenant.issuer_added.v1", tenants.IssuerAdded, "approval"),
    Kind("lockbox.tenant.issuer_removed.v1", tenants.IssuerRemoved, "approval"),
    Kind("lockbox.tenant.lockbox_disabled.v1", tenants.LockboxDisabled, "approval"),
    Kind("lockbox.tenant.lockbox_enabled.v1", tenants.LockboxEnabled, "approval"),
    Kind("lockbox.tenant.registered.v1", tenants.TenantRegistered, "approval"),
    Kind("lockbox.tenant.settings_changed.v1", tenants.TenantSettingsChanged, "approval"),
]

CATALOGUE: dict[str, Kind] = {kind.type: kind for kind in _KINDS}
KIND_OF: dict[type[Data], Kind] = {kind.data: kind for kind in _KINDS}


def owned_by(service: str) -> list[str]:
    """Return the types that `service` alone publishes, in alphabetical order."""
    return [kind.type for kind in _KINDS if kind.owner == service]
