"""Sends the mails that carry one-time links. A link is written again from its id for each try: it stands nowhere.

A try is counted and its successor scheduled before it begins; then its row stays locked until the outcome is committed. A
process that dies in between lets the lock go, and the next try carries the same Message-ID.
"""

from typing import Final

import structlog
from prometheus_client import Counter

from services.approval.link_letters import LinkLetters
from services.approval.store import mails
from services.approval.store.mails import Mail, Outcome
from shared.database.faults import TRANSIENT
from shared.database.pool import Connection, Pool, clock, transaction
from shared.mail.message import envelope_sender
from shared.mail.smtp import MailServer, NotNow, Refused, Session, Unreachable, mail_server
from shared.mail.tries import Backoff, to_its_end
from shared.observability.metrics import REGISTRY
from shared.settings import Settings
from shared.waiting import pause

# How often it looks for new mails.
LOOK_SECONDS: Final = 1.0
MAILS: Final = Counter(
    "lockbox_link_mails_total", "Tries to hand in a mail with a one-time link.", ["outcome"], registry=REGISTRY
)

log = structlog.get_logger(__name__)


class Mailing:
    """One copy of the service at its mails; any number may run."""

    def __init__(self, pool: Pool, settings: Settings, *, backoff: Backoff | None = None) -> None:
        self._pool = pool
        self._settings = settings
        self._server: MailServer = mail_server(settings)
        self._backoff = backoff or Backoff()
        self._letters = LinkLetters(settings)

    async def run(self) -> None:
        """Send what is due until cancelled, through every fault of database and mail server."""
        while True:
            try:
                await self.send_due()
            except TRANSIENT as error:
                log.warning("mailing_interrupted", error=repr(error))
            except Exception:
                # The mails stay where they are, and somebody is told.
                log.exception("mailing_failed")
            await pause(LOOK_SECONDS)

    async def send_due(self) -> None:
        """Send until nothing is due, over one connection as long as it holds. Raises transient faults."""
        due = await self._begin()
        while due is not None:
            try:
                async with self._server.connected() as session:
                    while due is not None and session.is_open:
                        await to_its_end(self._try(session, *due))
                        due = await self._begin()
            except Unreachable as error:
                log.warning("mail_server_unreachable", error=str(error))
                if due is not None:
                    await self._put_off(*due, str(error))
                return

    async def _begin(self) -> tuple[str, int] | None:
        """Count a try of what has been due for longest; return it with the number of that try."""
        async with transaction(self._pool) as connection:
            due = await mails.next_due(connection)
            if due is None:
                return None
            mail_id, attempts = due
            await mails.count_try(connection, mail_id, again_in=self._backoff.after(attempts + 1))
        return mail_id, attempts + 1

    async def _try(self, session: Session, mail_id: str, attempts: int) -> None:
        """Make one try, and commit its outcome while the row is locked."""
        async with transaction(self._pool) as connection:
            mail = await mails.hold(connection, mail_id, attempts)
            if mail is None:
                return
            if not mail.is_good:
                # He has followed it, or a newer one is on its way: an old link would only puzzle him.
                await self._settle(connection, mail, "void", None)
                return
            try:
                sender = envelope_sender(self._settings.mail_from)
                await session.send(self._letters.write(mail), sender=sender, recipient=mail.email)
            except (ValueError, Refused) as error:
                await self._settle(connection, mail, "failed", str(error))
            except NotNow as error:
                await self._postpone(connection, mail, str(error))
            else:
                await self._settle(connection, mail, "delivered", None)

    async def _put_off(self, mail_id: str, attempts: int, reason: str) -> None:
        async with transaction(self._pool) as connection:
            mail = await mails.hold(connection, mail_id, attempts)
            if mail is not None:
                await self._postpone(connection, mail, reason)

    async def _postpone(self, connection: Connection, mail: Mail, reason: str) -> None:
        """Leave a mail to its next try, or give it up when this was the last."""
        if mail.attempts >= self._backoff.tries:
            await self._settle(connection, mail, "failed", f"given up after {mail.attempts} tries: {reason}")
            return
        await mails.keep_error(connection, mail.id, reason)
        self._told(mail, "postponed", reason)

    async def _settle(self, connection: Connection, mail: Mail, outcome: Outcome, reason: str | None) -> None:
        await mails.settle(connection, mail.id, outcome, reason, await clock(connection))
        self._told(mail, outcome, reason)

    def _told(self, mail: Mail, outcome: str, reason: str | None) -> None:
        MAILS.labels(outcome).inc()
        log.info(
            "link_mail_tried", outcome=outcome, mail_id=mail.id, attempt=mail.attempts, tenant=mail.realm, why=reason
        )
