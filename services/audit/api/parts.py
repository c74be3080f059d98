"""What the routes share: what they stand on, who calls, and the parameters that several of them take."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request, Security
from pydantic import AfterValidator

from services.audit.domain import leaves
from services.audit.domain.readers import Reader
from services.audit.growth import Growth
from services.audit.projections.projector import Projector
from services.audit.reading import Reading
from services.audit.store import directory
from services.audit.store.events import Entry
from shared.database.pool import ACQUIRE_SECONDS, Connection, Pool
from shared.events.catalogue import CATALOGUE
from shared.security.bearer import bearer_token
from shared.web.fields import Realm
from shared.web.paging import decode_cursor, encode_cursor
from shared.web.problems import invalid, not_found


@dataclass(frozen=True, slots=True)
class Audit:
    """What runs once the app has started. `name` is the name of all logs here; once `stopping` is set, nobody waits longer."""

    pool: Pool
    growth: Growth
    reading: Reading
    projectors: Sequence[Projector]
    name: str
    stopping: asyncio.Event

    def connection(self) -> Any:
        """Take a connection for the length of a block."""
        return self.pool.acquire(timeout=ACQUIRE_SECONDS)

    def shown(self, entry: Entry) -> bytes:
        """Give an entry's event as readers get it."""
        return leaves.shown(entry.body, entry.leaf_index, leaves.origin(self.name, entry.tenant))


async def _audit(request: Request) -> Audit:
    running: Audit = request.app.state.audit
    return running


async def _reader(request: Request, token: Annotated[str, Security(bearer_token)]) -> Reader:
    running: Audit = request.app.state.audit
    return await running.reading.admit(token)


AuditPart = Annotated[Audit, Depends(_audit)]
ReaderPart = Annotated[Reader, Depends(_reader)]


def _known_type(kind: str) -> str:
    if kind not in CATALOGUE:
        raise ValueError("must be a type of event like lockbox.request.submitted.v1")
    return kind


Tenant = Annotated[
    Realm | None, Query(alias="tenant", description="Only this tenant's log; `provider` is the provider's.")
]
Types = Annotated[
    list[Annotated[str, AfterValidator(_known_type)]] | None,
    Query(alias="type", max_length=100, description="Only events of this type; may be repeated."),
]
Subject = Annotated[str | None, Query(min_length=1, max_length=255, description="Only events with this subject.")]

_END: Final = 2**62


async def scope_of(connection: Connection, reader: Reader, tenant: str | None) -> str | None:
    """Return the log that a reader asks for, or None for all. Raises Problem 404 for one that he may not see."""
    if tenant is None or tenant == reader.scope:
        return reader.scope
    if reader.scope is not None or not await directory.tenant_known(connection, tenant):
        raise not_found()
    return tenant


def cursor_of(scope: str | None, passed: int) -> str:
    """Write a place in a log (or in all of them): how many entries lie before it."""
    return encode_cursor(scope or "", passed)


def passed_by(cursor: str | None, scope: str | None, *, field: str) -> int:
    """Read a place in this log. Raises Problem 422 for another log's."""
    if cursor is None:
        return 0
    of, passed = decode_cursor(cursor, str, int, field=field)
    if of != (scope or "") or not 0 <= passed < _END:
        raise invalid((field, "must be a next_cursor of the same tenant's events: leave it out to begin again"))
    return int(passed)
