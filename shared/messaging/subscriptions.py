"""Which service hears of which events. A service's handlers cover exactly what stands here (a test holds them together)."""

from shared.events.catalogue import CATALOGUE, SERVICES

# A message that says how far a service's events are complete. It is no event: no owner's catalogue row, never logged.
CONTROL_PREFIX = "lockbox.control."

_TENANTS = frozenset(
    {
        "lockbox.tenant.registered.v1",
        "lockbox.tenant.entitlement_changed.v1",
        "lockbox.tenant.lockbox_enabled.v1",
        "lockbox.tenant.lockbox_disabled.v1",
        "lockbox.tenant.settings_changed.v1",
    }
)
_MEMBERS = frozenset(
    {
        "lockbox.member.added.v1",
        "lockbox.member.removed.v1",
        "lockbox.member.role_assigned.v1",
        "lockbox.member.role_removed.v1",
    }
)
_SESSIONS = frozenset({"lockbox.member.session_revoked.v1", "lockbox.member.password_reset.v1"})

CONSUMES: dict[str, frozenset[str]] = {
    "request_api": _TENANTS
    | _MEMBERS
    | _SESSIONS
    | {
        "lockbox.request.provider_approved.v1",
        "lockbox.request.provider_denied.v1",
        "lockbox.request.information_requested.v1",
        "lockbox.request.vote_cast.v1",
        "lockbox.request.approved.v1",
        "lockbox.request.denied.v1",
        "lockbox.request.expired.v1",
        "lockbox.access.revoked.v1",
        "lockbox.access.expired.v1",
    },
    "approval": frozenset(
        {
            "lockbox.request.submitted.v1",
            "lockbox.request.withdrawn.v1",
            "lockbox.request.information_provided.v1",
            "lockbox.request.window_closed.v1",
            "lockbox.access.token_issued.v1",
            "lockbox.access.released.v1",
            "lockbox.access.expired.v1",
        }
    ),
    "expiry": frozenset(
        {
            "lockbox.request.submitted.v1",
            "lockbox.request.withdrawn.v1",
            "lockbox.request.provider_denied.v1",
            "lockbox.request.approved.v1",
            "lockbox.request.denied.v1",
            "lockbox.request.expired.v1",
            "lockbox.access.released.v1",
            "lockbox.access.revoked.v1",
        }
    ),
    "notifier": _TENANTS
    | _MEMBERS
    | {
        "lockbox.request.submitted.v1",
        "lockbox.request.provider_approved.v1",
        "lockbox.request.approved.v1",
        "lockbox.request.denied.v1",
        "lockbox.request.expired.v1",
        "lockbox.request.withdrawn.v1",
        "lockbox.access.revoked.v1",
    },
    # Everything but CheckpointSigned, which stands in no log. Bound type by type and not by a wildcard: a type that this
    # audit does not know yet cannot be routed and stays with its owner until it does, instead of being lost.
    "audit": frozenset(CATALOGUE) - {"lockbox.log.checkpoint_signed.v1"},
}

# Whose control messages a service listens to: the gate in request_api is open only while its picture of approval is fresh.
LISTENS_TO: dict[str, frozenset[str]] = {"request_api": frozenset({"approval"})}


def routing_keys(service: str) -> list[str]:
    """Return the routing keys that a service's queue is bound with, in alphabetical order."""
    if service not in SERVICES:
        raise ValueError(f"{service} is not a service")
    controls = {CONTROL_PREFIX + other for other in LISTENS_TO.get(service, ())}
    return sorted(CONSUMES[service] | controls)
