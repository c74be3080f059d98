"""Grant tokens: issued to the one who asked, for an approval that is in the log, and never for longer than the grant."""

from dataclasses import dataclass
from datetime import datetime

from joserfc.jwk import OKPKey

from services.request_api.commands.callers import admitted
from services.request_api.commands.change import own, publish
from services.request_api.domain.people import admit
from services.request_api.domain.requests import usable_approval
from services.request_api.domain.tokens import token_id
from services.request_api.proofs import LogPosition, Proofs
from services.request_api.store import requests
from services.request_api.store.requests import Row
from shared.database.pool import Connection, Pool, clock, transaction
from shared.events.access import AccessTokenIssued
from shared.events.requests import RequestApproved
from shared.messaging.inbox import is_blocked
from shared.security.tokens import Session, issue_grant
from shared.web.problems import Problem, unavailable


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and where the approval that it rests on stands in the log."""

    token: str
    grant_id: str
    access_until: datetime
    log: LogPosition


async def issue(pool: Pool, proofs: Proofs, key: OKPKey, session: Session, request_id: str) -> Issued:
    """Issue a token, a new one each time. Raises Problem."""
    async with transaction(pool) as connection:
        member = await admitted(connection, session, admit)
        row = own(await requests.read(connection, request_id), member)
        _approval(row, await clock(connection))
    # Outside of a transaction: nobody waits for a lock while we wait for the log.
    assert row.state.approval_id is not None
    position = await proofs.position(row.state.approval_id, row.tenant)
    async with transaction(pool) as connection:
        return await _issue(connection, key, session, request_id, position)


async def _issue(
    connection: Connection, key: OKPKey, session: Session, request_id: str, position: LogPosition
) -> Issued:
    """Check all of it again under the row's lock, and issue."""
    member = await admitted(connection, session, admit)
    row = own(await requests.lock(connection, request_id), member)
    if await is_blocked(connection, [row.id, row.tenant]):
        raise unavailable(
            "An event about this request could not be read; until that is mended no token is issued.", "state_unknown"
        )
    now = await clock(connection)
    approved = _approval(row, now)
    token = issue_grant(
        key,
        subject=member.id,
        grant_id=approved.grant_id,
        tenant=row.tenant,
        request_id=row.id,
        # A token carries identity, not authority: what was granted is read where it is used. It must also fit into a header.
        resources=[],
        now=now,
        not_before=approved.access_from,
        expires=approved.access_until,
    )
    data = AccessTokenIssued(
        request_id=row.id,
        tenant=row.tenant,
        grant_id=approved.grant_id,
        token_id=token_id(token),
        engineer=member.person,
        access_until=approved.access_until,
    )
    await publish(connection, row, data, member, now, causation_id=row.state.approval_id)
    return Issued(token, approved.grant_id, approved.access_until, position)


def _approval(row: Row, now: datetime) -> RequestApproved:
    approved = usable_approval(row.state, now)
    if isinstance(approved, Problem):
        raise approved
    return approved
