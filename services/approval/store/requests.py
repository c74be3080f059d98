"""Requests as they are stored: the fold of their events, and of it the columns by which they are found."""

from dataclasses import dataclass
from datetime import UTC, datetime

from services.approval.store import news
from shared.database.pool import Connection
from shared.events.requests import RequestSubmitted
from shared.lifecycle import RequestState

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
        # The text that is searched never changes and may be long: as it stands it need not be written again.
        """INSERT INTO requests AS kept (id, tenant, engineer_id, state, provider_approved_at, grant_id, access_until, life,
                                         revision, service, engineer_email, submitted_at, decide_by, search)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
           ON CONFLICT (id) DO UPDATE
              SET tenant = excluded.tenant, engineer_id = excluded.engineer_id, state = excluded.state,
                  provider_approved_at = excluded.provider_approved_at, grant_id = excluded.grant_id,
                  access_until = excluded.access_until, life = excluded.life, revision = excluded.revision,
                  service = excluded.service, engineer_email = excluded.engineer_email,
                  submitted_at = excluded.submitted_at, decide_by = excluded.decide_by,
                  search = coalesce(kept.search, excluded.search)""",
        request_id,
        submitted.tenant if submitted else None,
        submitted.engineer.id if submitted else None,
        state.state(_BEFORE_ALL_ENDS),
        state.provider_approved_at,
        approved.grant_id if approved else None,
        approved.access_until if approved else None,
        state.model_dump_json(),
        revision,
        submitted.service if submitted else None,
        submitted.engineer.email.lower() if submitted else None,
        submitted.submitted_at if submitted else None,
        submitted.decide_by if submitted else None,
        _searched(submitted) if submitted else None,
    )
    await news.tell(connection, state)


def _searched(submitted: RequestSubmitted) -> str:
    """Give the text in which requests are looked for."""
    engineer, reason = submitted.engineer, submitted.reason
    paths = [resource.id for resource in submitted.resources]
    return "\n".join([submitted.ticket, engineer.name, engineer.email, reason.detail, *paths]).lower()


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
