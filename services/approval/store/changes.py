"""Changes that wait for votes, and the votes. Whoever calls this holds the tenant's row FOR UPDATE, or only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from asyncpg import Record

from shared.database.pool import Connection
from shared.events.values import Person, Vote

ChangeState = Literal["open", "carried", "rejected", "void"]
ShownState = Literal["open", "carried", "rejected", "void", "expired"]

_CHANGE = """
SELECT c.id::text, c.tenant, c.kind, c.action, c.described, c.proposed_at, c.expires_at, c.approvals_required, c.state,
       c.settled_at, m.id::text AS member_id, m.email, m.name
FROM changes c JOIN members m ON m.id = c.proposed_by
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A proposed change. `action` and `described` are JSON: what is carried out, and what people are shown of it."""

    id: str
    tenant: str
    kind: str
    action: str
    described: str
    proposed_by: Person
    proposed_at: datetime
    expires_at: datetime
    approvals_required: int
    state: ChangeState
    settled_at: datetime | None


async def add(connection: Connection, change: Change) -> None:
    await connection.execute(
        """INSERT INTO changes (id, tenant, kind, action, described, proposed_by, proposed_at, expires_at, approvals_required,
                                state)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        change.id,
        change.tenant,
        change.kind,
        change.action,
        change.described,
        change.proposed_by.id,
        change.proposed_at,
        change.expires_at,
        change.approvals_required,
        change.state,
    )


async def vote(connection: Connection, change_id: str, member_id: str, said: Vote, now: datetime) -> None:
    """Keep a vote, in the place of an earlier one of the same person's."""
    await connection.execute(
        """INSERT INTO change_votes (change_id, member_id, vote, voted_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (change_id, member_id) DO UPDATE SET vote = excluded.vote, voted_at = excluded.voted_at""",
        change_id,
        member_id,
        said,
        now,
    )


async def settle(connection: Connection, change_id: str, state: ChangeState, now: datetime) -> None:
    await connection.execute("UPDATE changes SET state = $2, settled_at = $3 WHERE id = $1", change_id, state, now)


async def find(connection: Connection, tenant: str, change_id: str) -> Change | None:
    row = await connection.fetchrow(f"{_CHANGE} WHERE c.tenant = $1 AND c.id = $2", tenant, change_id)
    return None if row is None else _change(row)


async def newest(connection: Connection, tenant: str, *, before: str | None, limit: int) -> list[Change]:
    """List a tenant's changes, newest first, from below the id `before`."""
    rows = await connection.fetch(
        f"{_CHANGE} WHERE c.tenant = $1 AND ($2::uuid IS NULL OR c.id < $2) ORDER BY c.id DESC LIMIT $3",
        tenant,
        before,
        limit,
    )
    return [_change(row) for row in rows]


async def voters(connection: Connection, change_id: str) -> Sequence[tuple[str, Vote]]:
    """Give who voted (member ids, the proposer first) and how."""
    rows = await connection.fetch(
        "SELECT member_id::text, vote FROM change_votes WHERE change_id = $1 ORDER BY voted_at, member_id", change_id
    )
    return [(row["member_id"], row["vote"]) for row in rows]


def state_at(change: Change, now: datetime) -> ShownState:
    """Give the state as it is shown: what was not settled in time is over."""
    return "expired" if change.state == "open" and now >= change.expires_at else change.state


async def view(connection: Connection, change: Change, now: datetime) -> dict[str, Any]:
    """Show a change as the API does."""
    (shown,) = await views(connection, [change], now)
    return shown


async def views(connection: Connection, found: Sequence[Change], now: datetime) -> list[dict[str, Any]]:
    """Show changes, in their order."""
    rows = await connection.fetch(
        """SELECT v.change_id::text, m.email, m.name, v.vote, v.voted_at
           FROM change_votes v JOIN members m ON m.id = v.member_id
           WHERE v.change_id = ANY($1::uuid[]) ORDER BY v.voted_at, v.member_id""",
        [change.id for change in found],
    )
    votes: dict[str, list[Record]] = {change.id: [] for change in found}
    for row in rows:
        votes[row["change_id"]].append(row)
    return [_shown(change, votes[change.id], now) for change in found]


def _shown(change: Change, votes: Sequence[Record], now: datetime) -> dict[str, Any]:
    return {
        "id": change.id,
        "tenant": change.tenant,
        "kind": change.kind,
        "state": state_at(change, now),
        **orjson.loads(change.described),
        "proposed_by": {"email": change.proposed_by.email, "name": change.proposed_by.name},
        "proposed_at": change.proposed_at,
        "expires_at": change.expires_at,
        "approvals_required": change.approvals_required,
        "votes": [
            {"by": {"email": row["email"], "name": row["name"]}, "vote": row["vote"], "at": row["voted_at"]}
            for row in votes
        ],
        "settled_at": change.settled_at,
    }


def _change(row: Record) -> Change:
    return Change(
        id=row["id"],
        tenant=row["tenant"],
        kind=row["kind"],
        action=row["action"],
        described=row["described"],
        proposed_by=Person(id=row["member_id"], email=row["email"], name=row["name"]),
        proposed_at=row["proposed_at"],
        expires_at=row["expires_at"],
        approvals_required=row["approvals_required"],
        state=row["state"],
        settled_at=row["settled_at"],
    )
