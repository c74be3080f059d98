"""Requests as they are stored: the fold of their events, and of it the columns by which they are found."""

from dataclasses import dataclass
from datetime import UTC, datetime

from services.approval.domain.people import Scope
from shared.database.pool import Connection
from shared.lifecycle import RequestState, State

# The state that is stored leaves the clock out: a read compares access_until with its own time.
_BEFORE_ALL_ENDS = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Held:
    """A request under its row lock. `revision` counts the state changes that this service has published."""

    id: str
    state: RequestState
    revision: int


async def hold(connection: Connection, request_id: str) -> Held:
    """Lock a request until the transaction ends and return it; one that was never heard of is empty, and not locked."""
    row = await connection.fetchrow("SELECT life, revision FROM requests WHERE id = $1 FOR UPDATE", request_id)
    if row is None:
        return Held(request_id, RequestState(), 0)
    return Held(request_id, RequestState.model_validate_json(row["life"]), row["revision"])


async def put(connection: Connection, request_id: str, state: RequestState, revision: int) -> None:
    """Store a request that is held."""
    submitted, approved = state.submitted, state.approved
    await connection.execute(
        """INSERT INTO requests AS kept (id, tenant, engineer_id, state, provider_approved_at, grant_id, access_until,
                                         life, revision)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           ON CONFLICT (id) DO UPDATE
              SET tenant = excluded.tenant, engineer_id = excluded.engineer_id, state = excluded.state,
                  provider_approved_at = excluded.provider_approved_at, grant_id = excluded.grant_id,
                  access_until = excluded.access_until, life = excluded.life, revision = excluded.revision""",
        request_id,
        submitted.tenant if submitted else None,
        submitted.engineer.id if submitted else None,
        state.state(_BEFORE_ALL_ENDS),
        state.provider_approved_at,
        approved.grant_id if approved else None,
        approved.access_until if approved else None,
        state.model_dump_json(),
        revision,
    )


async def parties(connection: Connection, request_id: str) -> tuple[str, str] | None:
    """Return the tenant and the engineer's id, which never change; None before the submission was seen."""
    row = await connection.fetchrow(
        "SELECT tenant, engineer_id::text AS engineer FROM requests WHERE id = $1 AND tenant IS NOT NULL", request_id
    )
    return None if row is None else (row["tenant"], row["engineer"])


async def of_grant(connection: Connection, grant_id: str) -> str | None:
    """Return the id of the request that a grant came from."""
    found: str | None = await connection.fetchval("SELECT id::text FROM requests WHERE grant_id = $1", grant_id)
    return found


async def find(connection: Connection, request_id: str) -> RequestState:
    """Read a request; one that was never heard of is empty."""
    life = await connection.fetchval("SELECT life FROM requests WHERE id = $1", request_id)
    return RequestState() if life is None else RequestState.model_validate_json(life)


async def newest(
    connection: Connection, scope: Scope, *, state: State | None, before: str | None, limit: int, now: datetime
) -> list[RequestState]:
    """List what the scope shows, newest first, from below the id `before`; `state` is that at `now`."""
    rows = await connection.fetch(
        """SELECT life FROM requests
           WHERE tenant IS NOT NULL
             AND ($1::text IS NULL OR (tenant = $1 AND provider_approved_at IS NOT NULL))
             AND ($2::uuid IS NULL OR engineer_id = $2)
             AND ($3::uuid IS NULL OR id < $3)
             AND ($4::text IS NULL OR $4 = CASE WHEN state IN ('approved', 'active') AND access_until <= $5
                                                THEN 'ended' ELSE state END)
           ORDER BY id DESC
           LIMIT $6""",
        scope.tenant,
        scope.engineer,
        before,
        state,
        now,
        limit,
    )
    return [RequestState.model_validate_json(row["life"]) for row in rows]
