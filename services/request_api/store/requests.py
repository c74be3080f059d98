"""Requests: the fold of each one's events, and the columns by which they are found and by which the gate decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from pydantic import TypeAdapter

from services.request_api.domain.gate import GrantPicture
from services.request_api.domain.submission import Extended
from shared.database.pool import Connection
from shared.events.values import Resource
from shared.lifecycle import RequestState, State

_RESOURCES = TypeAdapter(list[Resource])


@dataclass(frozen=True, slots=True)
class Row:
    """A request as it is stored. `revision` counts its changes by this service's own events."""

    id: str
    tenant: str
    engineer_id: str
    revision: int
    state: RequestState


def _row(record: asyncpg.Record) -> Row:
    return Row(
        id=record["id"],
        tenant=record["tenant"],
        engineer_id=record["engineer_id"],
        revision=record["revision"],
        state=RequestState.model_validate_json(record["state"]),
    )


_READ = "SELECT id::text AS id, tenant, engineer_id, revision, state FROM requests WHERE id = $1"
_LOCK = "SELECT id::text AS id, tenant, engineer_id, revision, state FROM requests WHERE id = $1 FOR UPDATE"
_LOCK_GRANT = "SELECT id::text AS id, tenant, engineer_id, revision, state FROM requests WHERE grant_id = $1 FOR UPDATE"


async def read(connection: Connection, request_id: str) -> Row | None:
    record = await connection.fetchrow(_READ, request_id)
    return None if record is None else _row(record)


async def lock(connection: Connection, request_id: str) -> Row | None:
    """Read a request and hold it until the transaction ends."""
    record = await connection.fetchrow(_LOCK, request_id)
    return None if record is None else _row(record)


async def lock_grant(connection: Connection, grant_id: str) -> Row | None:
    """Read the request of a grant and hold it until the transaction ends."""
    record = await connection.fetchrow(_LOCK_GRANT, grant_id)
    return None if record is None else _row(record)


async def lock_all(connection: Connection, ids: Sequence[str]) -> None:
    """Hold several requests, taken in the order of their ids as every batch takes them."""
    await connection.execute("SELECT 1 FROM requests WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", ids)


async def share_grants(connection: Connection, request_ids: Sequence[str]) -> dict[str, GrantPicture]:
    """Read the grants of requests and keep them from changing until the transaction ends; by the request's id.

    Taken in the order of the ids, as every batch takes them, so that no two wait for each other.
    """
    records = await connection.fetch(
        """SELECT id::text AS id, grant_id::text AS grant_id, tenant, engineer_id, access_from, access_until, closed_at, granted
           FROM requests WHERE id = ANY($1::uuid[]) ORDER BY requests.id FOR SHARE""",
        request_ids,
    )
    return {
        record["id"]: GrantPicture(
            grant_id=record["grant_id"],
            tenant=record["tenant"],
            engineer_id=record["engineer_id"],
            access_from=record["access_from"],
            access_until=record["access_until"],
            closed_at=record["closed_at"],
            resources=_RESOURCES.validate_json(record["granted"]),
        )
        for record in records
        if record["grant_id"] is not None
    }


async def owners(connection: Connection, ids: Sequence[str]) -> dict[str, Extended]:
    """Read whose requests these are, and for which tenant."""
    if not ids:
        return {}
    records = await connection.fetch(
        "SELECT id::text AS id, tenant, engineer_id FROM requests WHERE id = ANY($1::uuid[])", ids
    )
    return {record["id"]: Extended(record["tenant"], record["engineer_id"]) for record in records}


async def insert(connection: Connection, states: Sequence[RequestState]) -> None:
    """Store requests that were submitted now."""
    submitted = [state.submitted for state in states if state.submitted is not None]
    await connection.execute(
        """INSERT INTO requests (id, tenant, engineer_id, revision, stage, state)
           SELECT id, tenant, engineer_id, 1, 'awaiting_provider', state
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS made (id, tenant, engineer_id, state)""",
        [one.request_id for one in submitted],
        [one.tenant for one in submitted],
        [one.engineer.id for one in submitted],
        [state.model_dump_json(exclude_defaults=True) for state in states],
    )


async def save(connection: Connection, request_id: str, state: RequestState, revision: int, now: datetime) -> None:
    """Store a changed request, which the transaction holds."""
    approved = state.approved
    await connection.execute(
        """UPDATE requests SET revision = $2, stage = $3, grant_id = $4, access_from = $5, access_until = $6,
                  closed_at = $7, granted = $8, state = $9
           WHERE id = $1""",
        request_id,
        revision,
        state.state(now),
        None if approved is None else approved.grant_id,
        None if approved is None else approved.access_from,
        None if approved is None else approved.access_until,
        closed_at(state),
        None if approved is None else _RESOURCES.dump_json(approved.resources).decode(),
        state.model_dump_json(exclude_defaults=True),
    )


def closed_at(state: RequestState) -> datetime | None:
    """Give the first instant that closes a grant or forbids it from the start, other than the end of its time."""
    closings = (
        state.released_at,
        state.revoked_at,
        state.withdrawn_at,
        state.provider_denied_at,
        state.denied_at,
        state.expired_at,
        state.approved.access_until if state.approved is not None and state.clock_passed else None,
    )
    return min((moment for moment in closings if moment is not None), default=None)


# Conditions, joined by what a caller asks for: one statement with all of them, null or not, would be planned without its
# indexes. Time ends a grant without a change of its row, so `approved` and `active` are compared with the clock.
_ENGINEER = "engineer_id = {}"
_TENANT = "tenant = {}"
_BEFORE = "id < {}::uuid"
_STAGES = "stage = ANY({}::text[])"
_STAGE_NOW = (
    "CASE WHEN stage IN ('approved', 'active') AND access_until <= clock_timestamp() THEN 'ended' ELSE stage END = {}"
)


async def listed(
    connection: Connection,
    *,
    engineer_id: str | None,
    tenant: str | None,
    state: State | None,
    before: str | None,
    limit: int,
) -> list[Row]:
    """Read requests, the newest first, from below the id `before` on; each argument that is None leaves nothing out."""
    asked: list[tuple[str, Any]] = []
    if engineer_id is not None:
        asked.append((_ENGINEER, engineer_id))
    if tenant is not None:
        asked.append((_TENANT, tenant))
    if before is not None:
        asked.append((_BEFORE, before))
    if state is not None:
        asked.append((_STAGES, ["ended", "approved", "active"] if state == "ended" else [state]))
        asked.append((_STAGE_NOW, state))
    conditions = " AND ".join(condition.format(f"${number}") for number, (condition, _) in enumerate(asked, 2))
    # Only the conditions above are joined; what callers gave are arguments.
    query = f"""SELECT id::text AS id, tenant, engineer_id, revision, state FROM requests
                WHERE {conditions or "true"} ORDER BY requests.id DESC LIMIT $1"""  # noqa: S608
    records = await connection.fetch(query, limit, *(argument for _, argument in asked))
    return [_row(record) for record in records]
