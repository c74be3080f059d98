"""The beginning of a session, however its holder has shown who he is."""

from datetime import datetime

from services.approval.domain.people import Member
from services.approval.parts import Parts
from services.approval.store import sessions
from shared.database.pool import Connection
from shared.events.envelope import new_id
from shared.security.tokens import issue_session


async def begin_session(
    connection: Connection, parts: Parts, member: Member, *, method: str, now: datetime, issuer_id: str | None = None
) -> tuple[str, int]:
    """Begin a session, and return its token and how many seconds that is valid. `issuer_id` names the issuer it began at."""
    session_id = new_id()
    lifetime = parts.settings.session_lifetime
    await sessions.begin(
        connection,
        session_id,
        member.id,
        method=method,
        issued_at=now,
        expires_at=now + lifetime,
        issuer_id=issuer_id,
    )
    token = issue_session(
        parts.signing,
        subject=member.id,
        realm=member.realm,
        email=member.email,
        session_id=session_id,
        now=now,
        lifetime=lifetime,
    )
    return token, int(lifetime.total_seconds())
