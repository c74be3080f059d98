"""What request_api does with the events that it hears: tenants, the provider's people, decisions and ends.

Events may come twice and in any order: what is last written is judged by the owner's numbers, and a request's fold gives the
same state whatever the order.
"""

from collections.abc import Sequence

from services.request_api.domain import approvals
from services.request_api.store import people, requests, tenants
from shared.database.pool import Connection, clock
from shared.events.envelope import PROVIDER, Event
from shared.events.members import (
    MemberAdded,
    MemberFacts,
    MemberRemoved,
    PasswordReset,
    RoleAssigned,
    RoleRemoved,
    SessionRevoked,
)
from shared.events.tenants import LockboxDisabled, LockboxEnabled, TenantRegistered, TenantSettingsChanged
from shared.lifecycle import evolve
from shared.messaging.inbox import Handler, Outcome


async def heard_of_tenant(connection: Connection, event: Event) -> None:
    """Keep what a tenant's settings say about requests. Raises ValueError for an event under another tenant's name."""
    said = event.data
    if not said.tenant == event.tenant == event.subject:
        raise ValueError("the event is about another tenant than the one it is published for")
    if isinstance(said, TenantRegistered):
        await tenants.register(connection, said.tenant)
        await tenants.set_settings(connection, said.tenant, said.settings, event.sequence)
    elif isinstance(said, TenantSettingsChanged):
        await tenants.set_settings(connection, said.tenant, said.settings, event.sequence)
    elif isinstance(said, LockboxEnabled | LockboxDisabled):
        on = isinstance(said, LockboxEnabled)
        await tenants.set_enabled(connection, said.tenant, event.sequence, enabled=on)
    # An entitlement decides about switching the lockbox on alone, which is not done here.


async def heard_of_member(connection: Connection, event: Event) -> None:
    """Keep the provider's people, their roles and the ends of their sessions; a tenant's people have no business here.

    Raises ValueError for an event in the log of another realm than the member's.
    """
    said: MemberFacts = event.data
    if said.realm != event.tenant:
        raise ValueError("the event is about a member of another realm than the one it is published for")
    if said.realm != PROVIDER:
        return
    member_id = said.member.id
    if isinstance(said, MemberAdded):
        await people.add(connection, said, event.sequence)
    elif isinstance(said, MemberRemoved):
        await people.remove(connection, member_id, event.sequence)
        await people.end_sessions(connection, member_id, event.time)
    elif isinstance(said, RoleAssigned | RoleRemoved):
        held = isinstance(said, RoleAssigned)
        await people.set_role(connection, member_id, said.role, event.sequence, held=held)
    elif isinstance(said, PasswordReset):
        await people.end_sessions(connection, member_id, event.time)
    elif isinstance(said, SessionRevoked):
        if said.session_id is not None:
            await people.end_session(connection, said.session_id, event.time)
        else:
            await people.end_sessions(connection, member_id, said.before)


async def heard_of_request(connection: Connection, event: Event) -> Outcome | None:
    """Fold a decision or an end into its request. Raises NotWhatWasAsked for a decision about something else."""
    row = await requests.lock(connection, event.subject)
    if row is None:
        return Outcome.NOT_YET
    if event.tenant != row.tenant:
        raise approvals.NotWhatWasAsked("it is published for another tenant")
    approvals.check(row.state, event.data)
    state = evolve(row.state, event)
    await requests.save(connection, row.id, state, row.revision, await clock(connection))
    return None


async def lock(connection: Connection, events: Sequence[Event]) -> None:
    """Hold the requests that a batch is about, in the order in which commands hold theirs."""
    subjects = [event.subject for event in events if HANDLERS[event.type] is heard_of_request]
    if subjects:
        await requests.lock_all(connection, subjects)


HANDLERS: dict[str, Handler] = {
    "lockbox.tenant.registered.v1": heard_of_tenant,
    "lockbox.tenant.entitlement_changed.v1": heard_of_tenant,
    "lockbox.tenant.lockbox_enabled.v1": heard_of_tenant,
    "lockbox.tenant.lockbox_disabled.v1": heard_of_tenant,
    "lockbox.tenant.settings_changed.v1": heard_of_tenant,
    "lockbox.member.added.v1": heard_of_member,
    "lockbox.member.removed.v1": heard_of_member,
    "lockbox.member.role_assigned.v1": heard_of_member,
    "lockbox.member.role_removed.v1": heard_of_member,
    "lockbox.member.session_revoked.v1": heard_of_member,
    "lockbox.member.password_reset.v1": heard_of_member,
    "lockbox.request.provider_approved.v1": heard_of_request,
    "lockbox.request.provider_denied.v1": heard_of_request,
    "lockbox.request.information_requested.v1": heard_of_request,
    "lockbox.request.vote_cast.v1": heard_of_request,
    "lockbox.request.approved.v1": heard_of_request,
    "lockbox.request.denied.v1": heard_of_request,
    "lockbox.request.expired.v1": heard_of_request,
    "lockbox.access.revoked.v1": heard_of_request,
    "lockbox.access.expired.v1": heard_of_request,
}
