"""Who calls, read inside the transaction of what he does."""

from collections.abc import Callable

from services.request_api.domain.people import Member, Standing
from services.request_api.store import people
from shared.database.pool import Connection
from shared.security.tokens import Session
from shared.web.problems import Problem

Admit = Callable[[Session, Standing], Member | Problem]


async def admitted(connection: Connection, session: Session, admit: Admit) -> Member:
    """Give the member behind a session as he is now. Raises Problem 401, 403 or 503."""
    member = admit(session, await people.standing(connection, session))
    if isinstance(member, Problem):
        raise member
    return member
