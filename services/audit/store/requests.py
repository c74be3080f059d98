"""The rows of the projections `requests` and `usage`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from services.audit.domain.comparison import Use
from shared.database.pool import Connection
from shared.events.envelope import Event
from shared.lifecycle import RequestState

# What the clock alone changes is left out of `settled`, and put in again by whoever asks (see `_STATE`).
_BEFORE_ALL_TIMES = datetime.min.replace(tzinfo=UTC)
_STATE = "CASE WHEN settled IN ('approved', 'active') AND access_until <= $1 THEN 'ended' ELSE settled END"


async def load(connection: Connection, tenant: str, request_id: str) -> RequestState:
    """Return what is known of a request, and hold its row; an empty state where nothing is."""
    text: str | None = await connection.fetchval(
        "SELECT state FROM requests WHERE tenant = $1 AND request_id = $2 FOR UPDATE", tenant, request_id
    )
    return RequestState() if text is None else RequestState.model_validate_json(text)


async def keep(connection: Connection, state: RequestState, event: Event) -> None:
    """Write a request's row as it is after `event`. The same events give the same row, in whatever order they came."""
    submitted, approved = state.submitted, state.approved
    approvers = sorted({one.by.email for one in state.decisions.values() if one.by is not None})
    await connection.execute(
        """INSERT INTO requests AS r (tenant, request_id, state, settled, access_until, engineer_id, engineer_email,
                                      approvers, service, submitted_at, last_id, last_type, last_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
           ON CONFLICT (tenant, request_id) DO UPDATE
              SET state = excluded.state, settled = excluded.settled, access_until = excluded.access_until,
                  engineer_id = excluded.engineer_id, engineer_email = excluded.engineer_email,
                  approvers = excluded.approvers, service = excluded.service, submitted_at = excluded.submitted_at,
                  (last_id, last_type, last_at) =
                    (SELECT * FROM (VALUES (r.last_id, r.last_type, r.last_at),
                                           (excluded.last_id, excluded.last_type, excluded.last_at)) AS v (id, type, at)
                     ORDER BY at DESC, id DESC LIMIT 1)""",
        event.tenant,
        event.subject,
        # Sorted, so that the text does not tell in which order the events came.
        orjson.dumps(state.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS).decode(),
        state.state(_BEFORE_ALL_TIMES),
        approved.access_until if approved else None,
        submitted.engineer.id if submitted else None,
        submitted.engineer.email.lower() if submitted else None,
        [email.lower() for email in approvers],
        submitted.service if submitted else None,
        submitted.submitted_at if submitted else None,
        event.id,
        event.type,
        event.time,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A request as a list shows it."""

    tenant: str
    request_id: str
    state: RequestState
    submitted_at: datetime
    last_event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; None leaves a filter out. `before` is where the page before ended."""

    tenant: str | None = None
    state: str | None = None
    engineer: str | None = None
    approver: str | None = None
    service: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, str] | None = None


_COLUMNS = "tenant, request_id, state, submitted_at, last_id::text, last_type, last_at"


def _found(row: asyncpg.Record) -> Found:
    return Found(
        tenant=row["tenant"],
        request_id=row["request_id"],
        state=RequestState.model_validate_json(row["state"]),
        submitted_at=row["submitted_at"],
        last_event={"id": row["last_id"], "type": row["last_type"], "time": row["last_at"]},
    )


async def find(connection: Connection, wanted: Wanted, limit: int, now: datetime) -> list[Found]:
    """Return requests, the newest first. Those whose submission is not in the log yet are left out."""
    arguments: list[Any] = [now]
    conditions = ["submitted_at IS NOT NULL"]

    def narrow(condition: str, *values: object) -> None:
        if None not in values:
            for value in values:
                arguments.append(value)
                condition = condition.replace("?", f"${len(arguments)}", 1)
            conditions.append(condition)

    narrow("tenant = ?", wanted.tenant)
    narrow(f"{_STATE} = ?", wanted.state)
    engineer = wanted.engineer and wanted.engineer.lower()
    narrow("(engineer_id = ? OR engineer_email = ?)", engineer, engineer)
    narrow("? = ANY(approvers)", wanted.approver and wanted.approver.lower())
    narrow("service = ?", wanted.service)
    narrow("submitted_at >= ?", wanted.since)
    narrow("submitted_at < ?", wanted.until)
    if wanted.before is not None:
        narrow("(submitted_at, request_id) < (?, ?)", *wanted.before)
    rows = await connection.fetch(
        f"""SELECT {_COLUMNS} FROM requests WHERE {" AND ".join(conditions)} AND $1::timestamptz IS NOT NULL
            ORDER BY submitted_at DESC, request_id DESC LIMIT {limit}""",  # noqa: S608 - Made of our own words.
        *arguments,
    )
    return [_found(row) for row in rows]


async def get(connection: Connection, request_id: str, tenant: str | None) -> Found | None:
    """Return a request of a tenant, or (None) of any, once its submission is in the log."""
    row = await connection.fetchrow(
        f"""SELECT {_COLUMNS} FROM requests
            WHERE request_id = $1 AND ($2::text IS NULL OR tenant = $2) AND submitted_at IS NOT NULL
            ORDER BY tenant LIMIT 1""",  # noqa: S608 - Made of our own words.
        request_id,
        tenant,
    )
    return None if row is None else _found(row)


@dataclass(frozen=True, slots=True)
class Done:
    """Actions under a request's grant, counted."""

    tenant: str
    request_id: str
    resource: str
    operation: str


async def count_actions(connection: Connection, counts: dict[Done, int]) -> None:
    """Add to what was done, in one order for every transaction."""
    ordered = sorted(counts, key=lambda one: (one.tenant, one.request_id, one.resource, one.operation))
    await connection.execute(
        """INSERT INTO usage AS u (tenant, request_id, resource, operation, actions)
           SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
           ON CONFLICT (tenant, request_id, resource, operation) DO UPDATE SET actions = u.actions + excluded.actions""",
        [one.tenant for one in ordered],
        [one.request_id for one in ordered],
        [one.resource for one in ordered],
        [one.operation for one in ordered],
        [counts[one] for one in ordered],
    )


async def count_refusals(connection: Connection, counts: dict[tuple[str, str], int]) -> None:
    """Add to what was refused; the keys are tenant and request."""
    ordered = sorted(counts)
    await connection.execute(
        """INSERT INTO refusals AS r (tenant, request_id, refused)
           SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
           ON CONFLICT (tenant, request_id) DO UPDATE SET refused = r.refused + excluded.refused""",
        [tenant for tenant, _ in ordered],
        [request_id for _, request_id in ordered],
        [counts[key] for key in ordered],
    )


async def usage(connection: Connection, tenant: str, request_id: str) -> tuple[Sequence[Use], int]:
    """Return what was done under a request's grant, by resource, and how many actions were refused."""
    rows = await connection.fetch(
        """SELECT resource, array_agg(operation ORDER BY operation) AS operations, sum(actions)::bigint AS actions
           FROM usage WHERE tenant = $1 AND request_id = $2 GROUP BY resource ORDER BY resource""",
        tenant,
        request_id,
    )
    refused: int | None = await connection.fetchval(
        "SELECT refused FROM refusals WHERE tenant = $1 AND request_id = $2", tenant, request_id
    )
    return [Use(row["resource"], row["operations"], row["actions"]) for row in rows], refused or 0
