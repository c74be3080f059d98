"""The SQL of expiry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.expiry.domain import Kind, Known
from shared.database.pool import Connection

# An upsert that changes nothing takes the row's lock, whether the row is new or not.
_LOCK = """
INSERT INTO requests (request_id, tenant) VALUES ($1, $2)
ON CONFLICT (request_id) DO UPDATE SET request_id = excluded.request_id
RETURNING *
"""

_SAVE = """
UPDATE requests SET decide_by = $2, submission_id = $3, decided = $4, grant_id = $5, access_until = $6, approval_id = $7,
                    ended = $8
WHERE request_id = $1
"""

_SET_TIMERS = """
WITH cancelled AS (DELETE FROM timers WHERE request_id = $1 AND fired_at IS NULL AND kind <> ALL ($2::text[]))
INSERT INTO timers (request_id, kind, due_at, caused_by)
SELECT $1, * FROM unnest($2::text[], $3::timestamptz[], $4::uuid[])
ON CONFLICT (request_id, kind) DO NOTHING
"""

# It waits for nobody: what another instance fires, or a handler changes right now, is passed over. Both rows are locked, so
# a timer that is cancelled meanwhile is seen as gone. The clock is read once, so that the index bounds the search.
_TAKE_DUE = """
SELECT r.*, t.kind, t.due_at, t.caused_by
FROM timers t JOIN requests r USING (request_id)
WHERE t.fired_at IS NULL AND t.due_at <= (SELECT clock_timestamp())
ORDER BY t.due_at
LIMIT $1
FOR UPDATE OF t, r SKIP LOCKED
"""

_FIRED = """
UPDATE timers SET fired_at = $1
FROM unnest($2::text[], $3::text[]) AS fired (request_id, kind)
WHERE timers.request_id = fired.request_id AND timers.kind = fired.kind
"""

_REVISIONS = """
UPDATE requests SET revision = told.revision
FROM unnest($1::text[], $2::integer[]) AS told (request_id, revision)
WHERE requests.request_id = told.request_id
"""

_SECONDS_LEFT = """
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM timers WHERE fired_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A timer whose time has come. `revision` is the number of events that this request has had from here."""

    known: Known
    kind: Kind
    due_at: datetime
    caused_by: str
    revision: int


async def lock(connection: Connection, request_id: str, tenant: str) -> Known:
    """Return what is known of a request, and keep others from changing it until the transaction ends."""
    row = await connection.fetchrow(_LOCK, request_id, tenant)
    assert row is not None
    return _known(row)


async def save(connection: Connection, known: Known) -> None:
    """Write what is known of a request, set the timers that follow from it, and cancel those that do not any more."""
    timers = known.timers()
    await connection.execute(
        _SAVE,
        known.request_id,
        known.decide_by,
        known.submission_id,
        known.decided,
        known.grant_id,
        known.access_until,
        known.approval_id,
        known.ended,
    )
    await connection.execute(
        _SET_TIMERS,
        known.request_id,
        [timer.kind for timer in timers],
        [timer.due_at for timer in timers],
        [timer.caused_by for timer in timers],
    )


async def take_due(connection: Connection, limit: int) -> list[Due]:
    """Lock at most `limit` timers whose time has come, by the database's clock, the oldest first."""
    return [
        Due(_known(row), Kind(row["kind"]), row["due_at"], str(row["caused_by"]), row["revision"])
        for row in await connection.fetch(_TAKE_DUE, limit)
    ]


async def keep_fired(connection: Connection, fired: Sequence[Due], revisions: dict[str, int], *, now: datetime) -> None:
    """Note that these timers have fired, and how many events each request has had by now."""
    await connection.execute(_FIRED, now, [one.known.request_id for one in fired], [one.kind for one in fired])
    await connection.execute(_REVISIONS, list(revisions.keys()), list(revisions.values()))


async def seconds_left(connection: Connection) -> float | None:
    """Return how long it is to the next timer (negative when it is overdue), or None when there is none."""
    left: float | None = await connection.fetchval(_SECONDS_LEFT)
    return left


def _known(row: asyncpg.Record) -> Known:
    return Known(
        request_id=row["request_id"],
        tenant=row["tenant"],
        decide_by=row["decide_by"],
        submission_id=_text(row["submission_id"]),
        decided=row["decided"],
        grant_id=row["grant_id"],
        access_until=row["access_until"],
        approval_id=_text(row["approval_id"]),
        ended=row["ended"],
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
