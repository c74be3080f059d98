"""The projection `directory`: people, roles, ended sessions, machines and tenants, for the question who may read."""

from services.audit.projections.projector import Projection
from services.audit.store import directory as store
from shared.database.pool import Connection
from shared.events.envelope import Event
from shared.events.members import (
    ClientCreated,
    ClientRevoked,
    MemberFacts,
    RoleAssigned,
    RoleRemoved,
    SessionRevoked,
)


def _facts(event: Event) -> MemberFacts:
    facts = event.data
    assert isinstance(facts, MemberFacts)
    if (facts.realm, facts.member.id) != (event.tenant, event.subject):
        # One tenant's log must give nobody a role in another.
        raise ValueError("the event's data names another realm or member than its envelope")
    return facts


async def _added(connection: Connection, event: Event) -> None:
    await store.keep_member(connection, event.tenant, _facts(event).member, event.sequence, present=True)


async def _removed(connection: Connection, event: Event) -> None:
    await store.keep_member(connection, event.tenant, _facts(event).member, event.sequence, present=False)
    await store.end_sessions(connection, event.tenant, event.subject, event.time)


async def _role(connection: Connection, event: Event) -> None:
    facts = _facts(event)
    assert isinstance(facts, RoleAssigned | RoleRemoved)
    held = isinstance(facts, RoleAssigned)
    await store.keep_role(connection, event.tenant, event.subject, facts.role, facts.through, event.sequence, held=held)


async def _reset(connection: Connection, event: Event) -> None:
    _facts(event)
    await store.end_sessions(connection, event.tenant, event.subject, event.time)


async def _revoked(connection: Connection, event: Event) -> None:
    facts = _facts(event)
    assert isinstance(facts, SessionRevoked)
    if facts.session_id is not None:
        await store.end_session(connection, facts.session_id)
    else:
        await store.end_sessions(connection, event.tenant, event.subject, facts.before)


def _client(event: Event) -> ClientCreated | ClientRevoked:
    facts = event.data
    assert isinstance(facts, ClientCreated | ClientRevoked)
    if (facts.realm, facts.client_id) != (event.tenant, event.subject):
        raise ValueError("the event's data names another realm or client than its envelope")
    return facts


async def _client_created(connection: Connection, event: Event) -> None:
    facts = _client(event)
    assert isinstance(facts, ClientCreated)
    await store.keep_client(connection, event.tenant, event.subject, facts.name, facts.scopes)


async def _client_revoked(connection: Connection, event: Event) -> None:
    _client(event)
    await store.revoke_client(connection, event.tenant, event.subject)


def _same_tenant(event: Event) -> None:
    if event.data.tenant != event.tenant:
        raise ValueError("the event's data names another tenant than its envelope")


async def _registered(connection: Connection, event: Event) -> None:
    _same_tenant(event)
    await store.name_tenant(connection, event.tenant, event.data.name)
    await store.entitle(connection, event.tenant, event.sequence, entitled=event.data.entitled)
    await store.enable(connection, event.tenant, event.sequence, enabled=event.data.settings.enabled)


async def _entitlement(connection: Connection, event: Event) -> None:
    _same_tenant(event)
    await store.entitle(connection, event.tenant, event.sequence, entitled=event.data.entitled)


async def _switched(connection: Connection, event: Event) -> None:
    _same_tenant(event)
    enabled = event.type == "lockbox.tenant.lockbox_enabled.v1"
    await store.enable(connection, event.tenant, event.sequence, enabled=enabled)


async def _settings(connection: Connection, event: Event) -> None:
    _same_tenant(event)
    await store.enable(connection, event.tenant, event.sequence, enabled=event.data.settings.enabled)


DIRECTORY = Projection(
    name="directory",
    tables=("members", "roles", "ended_sessions", "session_cutoffs", "tenants", "clients"),
    handlers={
        "lockbox.member.added.v1": _added,
        "lockbox.member.removed.v1": _removed,
        "lockbox.member.role_assigned.v1": _role,
        "lockbox.member.role_removed.v1": _role,
        "lockbox.member.password_reset.v1": _reset,
        "lockbox.member.session_revoked.v1": _revoked,
        "lockbox.client.created.v1": _client_created,
        "lockbox.client.revoked.v1": _client_revoked,
        "lockbox.tenant.registered.v1": _registered,
        "lockbox.tenant.entitlement_changed.v1": _entitlement,
        "lockbox.tenant.lockbox_enabled.v1": _switched,
        "lockbox.tenant.lockbox_disabled.v1": _switched,
        "lockbox.tenant.settings_changed.v1": _settings,
    },
)
