"""Lists of requests: what a scope shows, narrowed by what is wanted, in one of two orders."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.approval.domain.people import Scope
from shared.database.pool import Connection
from shared.lifecycle import RequestState, State

Order = Literal["newest", "deadline"]
Position = tuple[datetime, str]
"""Where a page ends: the deadline (which the order `newest` does not look at) and the id of its last request."""

# `approved` and `active` end by themselves, which the stored state leaves out.
_WITH_ACCESS: Final = ("approved", "active")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to. `state` is that of the moment; `engineer` an address, `text` in lower case."""

    state: State | None = None
    tenant: str | None = None
    service: str | None = None
    engineer: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class _Conditions:
    """Conditions that all hold, and the values that they speak of."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.values: list[object] = []

    def add(self, condition: str, *values: object) -> None:
        """Add a condition in which `{0}`, `{1}` stand for values."""
        first = len(self.values) + 1
        self.values += values
        self.said.append(condition.format(*(f"${first + number}" for number in range(len(values)))))


async def listed(
    connection: Connection,
    scope: Scope,
    wanted: Wanted,
    *,
    order: Order,
    after: Position | None,
    limit: int,
    now: datetime,
) -> list[RequestState]:
    """List requests from behind a position: newest first, or soonest deadline first."""
    conditions = _conditions(scope, wanted, now)
    if after is not None and order == "newest":
        conditions.add("id < {0}", after[1])
    elif after is not None:
        conditions.add("(decide_by, id) > ({0}, {1})", *after)
    by = "id DESC" if order == "newest" else "decide_by, id"
    where = " AND ".join(conditions.said)
    rows = await connection.fetch(
        f"SELECT life FROM requests WHERE {where} ORDER BY {by} LIMIT {int(limit)}",  # noqa: S608 - Constants and numbers.
        *conditions.values,
    )
    return [RequestState.model_validate_json(row["life"]) for row in rows]


def _conditions(scope: Scope, wanted: Wanted, now: datetime) -> _Conditions:
    conditions = _Conditions()
    conditions.add("tenant IS NOT NULL")
    if scope.tenant is not None:
        conditions.add("tenant = {0} AND provider_approved_at IS NOT NULL", scope.tenant)
    if scope.engineer is not None:
        conditions.add("engineer_id = {0}", scope.engineer)
    if wanted.state == "ended":
        conditions.add("(state = 'ended' OR (state IN ('approved', 'active') AND access_until <= {0}))", now)
    elif wanted.state in _WITH_ACCESS:
        conditions.add("state = {0} AND access_until > {1}", wanted.state, now)
    elif wanted.state is not None:
        conditions.add("state = {0}", wanted.state)
    for condition, value in (
        ("tenant = {0}", wanted.tenant),
        ("service = {0}", wanted.service),
        ("engineer_email = {0}", wanted.engineer),
        ("strpos(search, {0}) > 0", wanted.text),
        ("submitted_at >= {0}", wanted.since),
        ("submitted_at < {0}", wanted.until),
    ):
        if value is not None:
            conditions.add(condition, value)
    return conditions
