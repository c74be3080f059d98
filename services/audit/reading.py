"""Reading the log: who is let in, and the note of it in the log, which stands there before the answer is given."""

from collections.abc import Collection
from datetime import timedelta

from services.audit.domain.readers import CLIENT_SCOPE, Reader, logs_to_note, may_read
from services.audit.store import directory, log, reads
from shared.database.pool import ACQUIRE_SECONDS, Pool, transaction
from shared.events.envelope import PROVIDER, Draft
from shared.events.log import LogRead
from shared.security.tokens import ClientToken, InvalidToken, Session, TokenVerifier
from shared.web.problems import forbidden, unavailable

# Notes of hours past are of no use once nobody can be in them any more.
KEPT = timedelta(days=1)


class Reading:
    """Lets readers in, and notes what they read."""

    def __init__(self, pool: Pool, verifier: TokenVerifier[Session | ClientToken]) -> None:
        self._pool = pool
        self._verifier = verifier

    async def admit(self, token: str) -> Reader:
        """Return who reads, by his roles at this moment.

        Raises InvalidToken, KeysUnavailable, Problem 403 `forbidden`, and 503 `state_unknown` while an event about him is dead.
        """
        session = await self._verifier.verify(token)
        if isinstance(session, ClientToken):
            return await self._admit_client(session)
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            known = await directory.standing(connection, session.realm, session.subject, session.session_id)
        cut = known.sessions_from is not None and session.issued_at < known.sessions_from.timestamp()
        if known.session_ended or cut or known.present is False:
            raise InvalidToken("session_ended")
        if known.in_doubt:
            raise unavailable("What is known of your account is in doubt; an operator has been told.", "state_unknown")
        if not may_read(session.realm, known.roles):
            raise forbidden(
                "The provider's auditors may read this."
                if session.realm == PROVIDER
                else "The tenant's global_admin, lockbox_approver and auditor may read this."
            )
        return Reader(session.subject, known.email or session.email, session.realm, session.session_id)

    async def _admit_client(self, token: ClientToken) -> Reader:
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            known = await directory.client_standing(connection, token.realm, token.subject)
        if known.revoked:
            raise InvalidToken("client_revoked")
        if known.in_doubt or known.name is None:
            # It was signed, so there is such a client: what made it has not arrived yet, or could not be applied.
            raise unavailable("This client is not known here yet. Try again shortly.", "state_unknown")
        if CLIENT_SCOPE not in token.scopes or CLIENT_SCOPE not in known.scopes:
            raise forbidden(f"A client reads this with the scope {CLIENT_SCOPE}.")
        return Reader(token.subject, None, token.realm, token.token_id, known.name)

    async def note(self, reader: Reader, answered: Collection[str]) -> None:
        """Have the read in the log of everybody whom it concerns: once for each token, log and hour.

        `answered` are the tenants whose entries stand in the answer. The caller answers only after this returns.
        """
        wanted = logs_to_note(reader.realm, answered)
        async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            if not await reads.missing(connection, reader.token_id, wanted):
                return
        async with transaction(self._pool) as connection:
            await log.lock(connection)
            hour, first = await reads.keep(connection, reader.token_id, wanted, kept=KEPT)
            drafts = [
                Draft(
                    data=LogRead(
                        reader=reader.member_id,
                        email=reader.email,
                        name=reader.client_name,
                        # Nobody's log tells what was read of others; the provider's own does.
                        tenants=sorted(answered) if tenant == PROVIDER else [tenant],
                        hour=hour,
                    ),
                    tenant=tenant,
                    subject=reader.member_id,
                    actor=reader.actor,
                )
                for tenant in first
            ]
            if drafts:
                await log.record(connection, drafts)
