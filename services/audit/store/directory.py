"""The rows of the projection `directory`. A lower number never changes what a higher one said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.database.pool import Connection
from shared.events.values import Person


async def keep_member(connection: Connection, realm: str, member: Person, sequence: int, *, present: bool) -> None:
    await connection.execute(
        """INSERT INTO members AS m (realm, member_id, email, name, present, sequence) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (realm, member_id) DO UPDATE
              SET email = excluded.email, name = excluded.name, present = excluded.present, sequence = excluded.sequence
              WHERE m.sequence < excluded.sequence""",
        realm,
        member.id,
        member.email.lower(),
        member.name,
        present,
        sequence,
    )


async def keep_role(
    connection: Connection, realm: str, member_id: str, role: str, through: str | None, sequence: int, *, held: bool
) -> None:
    """Keep a role as people (`through` is None) or an issuer gave or took it: it is held while one of them gives it."""
    await connection.execute(
        """INSERT INTO roles AS r (realm, member_id, role, through, held, sequence) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (realm, member_id, role, through) DO UPDATE SET held = excluded.held, sequence = excluded.sequence
              WHERE r.sequence < excluded.sequence""",
        realm,
        member_id,
        role,
        through or "",
        held,
        sequence,
    )


async def end_session(connection: Connection, session_id: str) -> None:
    await connection.execute("INSERT INTO ended_sessions (session_id) VALUES ($1) ON CONFLICT DO NOTHING", session_id)


async def end_sessions(connection: Connection, realm: str, member_id: str, before: datetime) -> None:
    """Let no session of a member count that began before that moment."""
    await connection.execute(
        """INSERT INTO session_cutoffs AS c (realm, member_id, before) VALUES ($1, $2, $3)
           ON CONFLICT (realm, member_id) DO UPDATE SET before = greatest(c.before, excluded.before)""",
        realm,
        member_id,
        before,
    )


async def keep_client(connection: Connection, realm: str, client_id: str, name: str, scopes: Sequence[str]) -> None:
    await connection.execute(
        """INSERT INTO clients (realm, client_id, name, scopes) VALUES ($1, $2, $3, $4)
           ON CONFLICT (realm, client_id) DO UPDATE SET name = excluded.name, scopes = excluded.scopes""",
        realm,
        client_id,
        name,
        list(scopes),
    )


async def revoke_client(connection: Connection, realm: str, client_id: str) -> None:
    await connection.execute(
        """INSERT INTO clients (realm, client_id, revoked) VALUES ($1, $2, true)
           ON CONFLICT (realm, client_id) DO UPDATE SET revoked = true""",
        realm,
        client_id,
    )


async def name_tenant(connection: Connection, tenant: str, name: str) -> None:
    await connection.execute(
        "INSERT INTO tenants (tenant, name) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET name = excluded.name",
        tenant,
        name,
    )


async def entitle(connection: Connection, tenant: str, sequence: int, *, entitled: bool) -> None:
    await connection.execute(
        """INSERT INTO tenants AS t (tenant, entitled, entitled_sequence) VALUES ($1, $2, $3)
           ON CONFLICT (tenant) DO UPDATE
              SET entitled = excluded.entitled, entitled_sequence = excluded.entitled_sequence
              WHERE t.entitled_sequence < excluded.entitled_sequence""",
        tenant,
        entitled,
        sequence,
    )


async def enable(connection: Connection, tenant: str, sequence: int, *, enabled: bool) -> None:
    await connection.execute(
        """INSERT INTO tenants AS t (tenant, enabled, enabled_sequence) VALUES ($1, $2, $3)
           ON CONFLICT (tenant) DO UPDATE SET enabled = excluded.enabled, enabled_sequence = excluded.enabled_sequence
              WHERE t.enabled_sequence < excluded.enabled_sequence""",
        tenant,
        enabled,
        sequence,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a member at this moment. `in_doubt`: an event about him could not be applied."""

    present: bool | None
    email: str | None
    roles: list[str]
    session_ended: bool
    sessions_from: datetime | None
    in_doubt: bool


async def standing(connection: Connection, realm: str, member_id: str, session_id: str) -> Standing:
    """Return what is known of a member and of one of his sessions; `present` is None for nobody that is known."""
    row = await connection.fetchrow(
        """SELECT m.present, m.email,
                  ARRAY(SELECT DISTINCT role FROM roles r WHERE r.realm = $1 AND r.member_id = $2 AND held
                        AND r.sequence > m.sequence ORDER BY role) AS roles,
                  EXISTS (SELECT 1 FROM ended_sessions WHERE session_id = $3) AS ended,
                  (SELECT before FROM session_cutoffs c WHERE c.realm = $1 AND c.member_id = $2) AS sessions_from,
                  EXISTS (SELECT 1 FROM dead_letters WHERE subject = $2 AND replayed_at IS NULL)
                    OR EXISTS (SELECT 1 FROM parked WHERE subject = $2 AND waits_for = 'dead_letter') AS in_doubt
           FROM (VALUES (1)) AS one LEFT JOIN members m ON m.realm = $1 AND m.member_id = $2""",
        realm,
        member_id,
        session_id,
    )
    assert row is not None
    return Standing(*row)


@dataclass(frozen=True, slots=True)
class ClientStanding:
    """What is known of a machine at this moment; `name` is None for one that is not known (yet)."""

    name: str | None
    scopes: Sequence[str]
    revoked: bool
    in_doubt: bool


async def client_standing(connection: Connection, realm: str, client_id: str) -> ClientStanding:
    row = await connection.fetchrow(
        """SELECT c.name, coalesce(c.scopes, '{}') AS scopes, coalesce(c.revoked, false) AS revoked,
                  EXISTS (SELECT 1 FROM dead_letters WHERE subject = $2 AND replayed_at IS NULL)
                    OR EXISTS (SELECT 1 FROM parked WHERE subject = $2 AND waits_for = 'dead_letter') AS in_doubt
           FROM (VALUES (1)) AS one LEFT JOIN clients c ON c.realm = $1 AND c.client_id = $2""",
        realm,
        client_id,
    )
    assert row is not None
    return ClientStanding(*row)


async def tenant_known(connection: Connection, tenant: str) -> bool:
    """Say whether there is such a log: of a registered tenant, or one with entries."""
    known: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM tenants WHERE tenant = $1) OR EXISTS (SELECT 1 FROM heads WHERE tenant = $1)",
        tenant,
    )
    return known


async def people(connection: Connection) -> set[tuple[str, str, frozenset[str]]]:
    """Return everybody who is there: realm, address and roles."""
    rows = await connection.fetch(
        """SELECT m.realm, m.email, array_agg(r.role) FILTER (WHERE r.held AND r.sequence > m.sequence) AS roles
           FROM members m LEFT JOIN roles r USING (realm, member_id) WHERE m.present GROUP BY m.realm, m.member_id"""
    )
    return {(row["realm"], row["email"], frozenset(row["roles"] or ())) for row in rows}


async def enabled_tenants(connection: Connection) -> set[str]:
    """Return the tenants whose lockbox is on."""
    return {
        row["tenant"] for row in await connection.fetch("SELECT tenant FROM tenants WHERE name IS NOT NULL AND enabled")
    }
