"""The SQL of what the notifier knows: tenants, people, requests, and the mails that were made."""

from collections.abc import Sequence
from datetime import datetime

from services.notifier.domain import Audience, Customer
from services.notifier.letters import Letter
from shared.database.pool import Connection
from shared.events.envelope import Event, new_id
from shared.events.values import Person, Settings
from shared.lifecycle import RequestState

DECIDING_ROLES = ("global_admin", "lockbox_approver")
EMAIL = "email"

_SETTINGS = """
INSERT INTO tenants AS t (tenant, name, enabled, enabled_sequence, notify, links_in_mail, settings_sequence)
VALUES ($1, $2, $3, $6, $4, $5, $6)
ON CONFLICT (tenant) DO UPDATE SET
    name = coalesce(excluded.name, t.name),
    enabled = CASE WHEN excluded.enabled_sequence > t.enabled_sequence THEN excluded.enabled ELSE t.enabled END,
    enabled_sequence = greatest(t.enabled_sequence, excluded.enabled_sequence),
    notify = CASE WHEN excluded.settings_sequence > t.settings_sequence THEN excluded.notify ELSE t.notify END,
    links_in_mail = CASE WHEN excluded.settings_sequence > t.settings_sequence THEN excluded.links_in_mail
                         ELSE t.links_in_mail END,
    settings_sequence = greatest(t.settings_sequence, excluded.settings_sequence)
"""

_SWITCH = """
INSERT INTO tenants AS t (tenant, enabled, enabled_sequence) VALUES ($1, $2, $3)
ON CONFLICT (tenant) DO UPDATE SET
    enabled = CASE WHEN excluded.enabled_sequence > t.enabled_sequence THEN excluded.enabled ELSE t.enabled END,
    enabled_sequence = greatest(t.enabled_sequence, excluded.enabled_sequence)
"""

_MEMBER = """
INSERT INTO members AS m (member_id, realm, email, name, sequence, added, removed) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (member_id) DO UPDATE SET
    email = CASE WHEN excluded.sequence > m.sequence THEN excluded.email ELSE m.email END,
    name = CASE WHEN excluded.sequence > m.sequence THEN excluded.name ELSE m.name END,
    sequence = greatest(m.sequence, excluded.sequence),
    added = greatest(m.added, excluded.added),
    removed = greatest(m.removed, excluded.removed)
"""

_ROLE = """
INSERT INTO roles AS r (member_id, role, through, assigned, removed) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (member_id, role, through) DO UPDATE SET
    assigned = greatest(r.assigned, excluded.assigned),
    removed = greatest(r.removed, excluded.removed)
"""

_CUSTOMER = """
SELECT t.name, t.notify, t.links_in_mail,
       array(SELECT DISTINCT m.email FROM members m JOIN roles r USING (member_id)
             WHERE m.realm = $1 AND m.added > m.removed
               AND r.role = ANY ($2) AND r.assigned > greatest(r.removed, m.removed)
             ORDER BY m.email) AS deciders
FROM (VALUES (true)) AS always LEFT JOIN tenants t ON t.tenant = $1
"""

_HOLDERS = """
SELECT m.realm, m.email,
       array(SELECT r.role FROM roles r WHERE r.member_id = m.member_id AND r.assigned > greatest(r.removed, m.removed))
           AS roles
FROM members m WHERE m.added > m.removed
"""

# An upsert that changes nothing takes the row's lock, whether the row is new or not.
_LOCK_REQUEST = """
INSERT INTO requests (request_id, tenant) VALUES ($1, $2)
ON CONFLICT (request_id) DO UPDATE SET request_id = excluded.request_id
RETURNING state
"""

_MAIL = """
INSERT INTO mails (event_id, audience, about, tenant, request_id, subject, text, html, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
"""

_DELIVERIES = """
INSERT INTO deliveries (id, event_id, audience, channel, recipient, due_at)
SELECT id, $3, $4, $5, recipient, $6 FROM unnest($1::uuid[], $2::text[]) AS wanted (id, recipient)
ON CONFLICT DO NOTHING
"""


async def keep_settings(
    connection: Connection, tenant: str, name: str | None, settings: Settings, *, sequence: int
) -> None:
    """Keep a tenant's settings, unless newer ones are known. `name` is None where the event does not tell it."""
    await connection.execute(
        _SETTINGS, tenant, name, settings.enabled, settings.notify, settings.links_in_mail, sequence
    )


async def keep_switch(connection: Connection, tenant: str, *, enabled: bool, sequence: int) -> None:
    await connection.execute(_SWITCH, tenant, enabled, sequence)


async def keep_member(
    connection: Connection, realm: str, member: Person, *, sequence: int, added: int = 0, removed: int = 0
) -> None:
    """Keep somebody's address and name as the newest event has them, and when he was added or removed."""
    await connection.execute(_MEMBER, member.id, realm, member.email, member.name, sequence, added, removed)


async def keep_role(
    connection: Connection, member_id: str, role: str, through: str | None, *, assigned: int = 0, removed: int = 0
) -> None:
    """Keep when people (`through` is None) or an issuer gave or took a role: it is held while one of them gives it."""
    await connection.execute(_ROLE, member_id, role, through or "", assigned, removed)


async def customer(connection: Connection, tenant: str) -> Customer:
    """Return a tenant as its mails need it; of one that is not known, no more than its id."""
    row = await connection.fetchrow(_CUSTOMER, tenant, list(DECIDING_ROLES))
    assert row is not None
    return Customer(
        name=row["name"] or tenant,
        deciders=tuple(row["deciders"]),
        notify=tuple(row["notify"] or ()),
        links_in_mail=bool(row["links_in_mail"]),
    )


async def holders(connection: Connection) -> dict[tuple[str, str], frozenset[str]]:
    """Return everybody's roles, by realm and address."""
    rows = await connection.fetch(_HOLDERS)
    return {(row["realm"], row["email"]): frozenset(row["roles"]) for row in rows}


async def enabled_tenants(connection: Connection) -> set[str]:
    return {row["tenant"] for row in await connection.fetch("SELECT tenant FROM tenants WHERE enabled")}


async def lock_request(connection: Connection, request_id: str, tenant: str) -> RequestState:
    """Return a request's state, and keep others from changing it until the transaction ends."""
    return RequestState.model_validate_json(await connection.fetchval(_LOCK_REQUEST, request_id, tenant))


async def save_request(connection: Connection, request_id: str, state: RequestState) -> None:
    await connection.execute(
        "UPDATE requests SET state = $2 WHERE request_id = $1", request_id, state.model_dump_json()
    )


async def keep_mail(
    connection: Connection,
    event: Event,
    audience: Audience,
    letter: Letter,
    recipients: Sequence[str],
    *,
    now: datetime,
) -> None:
    """Keep a mail with a delivery for each recipient, to be sent at once. An event's second time changes nothing."""
    await connection.execute(
        _MAIL,
        event.id,
        audience,
        event.type,
        event.tenant,
        event.subject,
        letter.subject,
        letter.text,
        letter.html,
        now,
    )
    ids = [new_id() for _ in recipients]
    await connection.execute(_DELIVERIES, ids, list(recipients), event.id, audience, EMAIL, now)
