"""Who decides for a tenant. Whoever counts on it holds the tenant's row (SHARE or UPDATE): its people's roles stay as they are.

An issuer's word changes roles under the member's row alone: votes are counted with their voters held, too.
Roles that an issuer gives count here as it last said: nobody can ask it again on behalf of somebody who is not there. Whoever
acts himself is judged by fresher ones.
"""

from collections.abc import Collection
from typing import Final

from services.approval.domain.people import DECIDING_ROLES
from shared.database.pool import Connection

_DECIDERS: Final = """
SELECT m.id::text FROM members m
WHERE m.realm = $1 AND m.removed_at IS NULL AND ($3::uuid[] IS NULL OR m.id = ANY($3))
  AND (EXISTS (SELECT 1 FROM member_roles r WHERE r.member_id = m.id AND r.role = ANY($2::text[]))
       OR EXISTS (SELECT 1 FROM group_roles g WHERE g.member_id = m.id AND g.role = ANY($2::text[])))
"""


async def among(connection: Connection, tenant: str, ids: Collection[str] | None) -> frozenset[str]:
    """Return those of some members who may decide now, and keep all of them as they are; None: of all, as they are now."""
    if ids is not None and not ids:
        return frozenset()
    if ids is not None:
        # Whoever changes a member takes no request's lock after it: waiting for him here, after that, is no circle.
        await connection.execute("SELECT 1 FROM members WHERE id = ANY($1::uuid[]) ORDER BY id FOR SHARE", list(ids))
    rows = await connection.fetch(_DECIDERS, tenant, sorted(DECIDING_ROLES), None if ids is None else list(ids))
    return frozenset(row["id"] for row in rows)


async def count(connection: Connection, tenant: str) -> int:
    """Count the people who may decide."""
    return len(await among(connection, tenant, None))
