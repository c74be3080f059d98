"""What the notifier does with the events that it hears: it keeps who is who, and makes mails."""

from services.notifier import store
from services.notifier.domain import TOLD, mails_about
from services.notifier.letters import Letters
from shared.database.pool import Connection, clock
from shared.events import members, tenants
from shared.events.envelope import Event
from shared.lifecycle import evolve
from shared.messaging.inbox import Handler, Outcome


async def registered(connection: Connection, event: Event) -> None:
    data: tenants.TenantRegistered = event.data
    await store.keep_settings(connection, data.tenant, data.name, data.settings, sequence=event.sequence)


async def settings_changed(connection: Connection, event: Event) -> None:
    data: tenants.TenantSettingsChanged = event.data
    await store.keep_settings(connection, data.tenant, None, data.settings, sequence=event.sequence)


async def switched(connection: Connection, event: Event) -> None:
    data: tenants.LockboxEnabled | tenants.LockboxDisabled = event.data
    on = isinstance(data, tenants.LockboxEnabled)
    await store.keep_switch(connection, data.tenant, enabled=on, sequence=event.sequence)


async def entitlement_changed(_: Connection, __: Event) -> None:
    """Nobody's mail depends on the entitlement."""


async def member_added(connection: Connection, event: Event) -> None:
    data: members.MemberAdded = event.data
    await store.keep_member(connection, data.realm, data.member, sequence=event.sequence, added=event.sequence)


async def member_removed(connection: Connection, event: Event) -> None:
    data: members.MemberRemoved = event.data
    await store.keep_member(connection, data.realm, data.member, sequence=event.sequence, removed=event.sequence)


async def role_assigned(connection: Connection, event: Event) -> None:
    data: members.RoleAssigned = event.data
    await store.keep_member(connection, data.realm, data.member, sequence=event.sequence)
    await store.keep_role(connection, data.member.id, data.role, data.through, assigned=event.sequence)


async def role_removed(connection: Connection, event: Event) -> None:
    data: members.RoleRemoved = event.data
    await store.keep_member(connection, data.realm, data.member, sequence=event.sequence)
    await store.keep_role(connection, data.member.id, data.role, data.through, removed=event.sequence)


async def fold(connection: Connection, event: Event) -> None:
    """Keep a request's state up to date; nobody is told."""
    state = await store.lock_request(connection, event.subject, event.tenant)
    await store.save_request(connection, event.subject, evolve(state, event))


def _teller(letters: Letters) -> Handler:
    async def tell(connection: Connection, event: Event) -> Outcome | None:
        """Keep a request's state up to date and make the mails; a mail needs the submission's facts."""
        state = await store.lock_request(connection, event.subject, event.tenant)
        if state.submitted is None:
            return Outcome.NOT_YET
        state = evolve(state, event)
        await store.save_request(connection, event.subject, state)
        customer = await store.customer(connection, event.tenant)
        now = await clock(connection)
        for mail in mails_about(event, state, customer, now):
            letter = letters.write(mail, event, state, customer)
            await store.keep_mail(connection, event, mail.audience, letter, mail.recipients, now=now)
        return None

    return tell


def make_handlers(letters: Letters) -> dict[str, Handler]:
    """Return the handler of each type that the notifier consumes."""
    return {
        "lockbox.tenant.registered.v1": registered,
        "lockbox.tenant.settings_changed.v1": settings_changed,
        "lockbox.tenant.lockbox_enabled.v1": switched,
        "lockbox.tenant.lockbox_disabled.v1": switched,
        "lockbox.tenant.entitlement_changed.v1": entitlement_changed,
        "lockbox.member.added.v1": member_added,
        "lockbox.member.removed.v1": member_removed,
        "lockbox.member.role_assigned.v1": role_assigned,
        "lockbox.member.role_removed.v1": role_removed,
        "lockbox.request.submitted.v1": fold,
        "lockbox.request.withdrawn.v1": fold,
        "lockbox.access.revoked.v1": fold,
        **dict.fromkeys(TOLD, _teller(letters)),
    }
