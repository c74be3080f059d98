"""Lets somebody set up how he signs in: a one-time link, and the mail that carries it to him."""

from datetime import datetime

from services.approval.one_time import link_digest, link_token
from services.approval.store import links, mails
from services.approval.store.mails import About
from shared.database.pool import Connection
from shared.events.envelope import new_id
from shared.settings import Settings


async def make_link(connection: Connection, settings: Settings, member_id: str, now: datetime) -> str:
    """Make a link for somebody who is held FOR UPDATE, or new, and return its id. It ends his older ones."""
    link_id = new_id()
    await links.make(
        connection,
        link_id,
        member_id,
        digest=link_digest(link_token(settings, link_id)),
        now=now,
        expires_at=now + settings.link_lifetime,
    )
    return link_id


async def invite(
    connection: Connection, settings: Settings, member_id: str, about: About, language: str, now: datetime
) -> None:
    """Make a link for somebody as `make_link` does, and note that it is to be mailed to him."""
    link_id = await make_link(connection, settings, member_id, now)
    await mails.add(connection, link_id, about, language, now)
