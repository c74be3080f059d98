"""What the tests of the administration's pages share: who opens which page, and the links that are mailed."""

from __future__ import annotations

import re

import httpx

from services.approval.one_time import link_address
from tests.integration.approval.portal.browsing import Browser
from tests.integration.approval.system import Approval, realm_of

ADMIN, DPO, HELPDESK, AUDITOR, USER = (
    f"{name}@contoso.example" for name in ("admin", "dpo", "helpdesk", "auditor", "user")
)
OTTO, MAX, ADA, EVE = (f"{name}@provider.example" for name in ("otto", "max", "ada", "eve"))
NEW_PASSWORD = "a cupboard full of blue umbrellas"


async def browser_of(approval: Approval, who: str, *, language: str = "en") -> Browser:
    return await Browser(approval, language=language).as_(who)


async def statuses(approval: Approval, path: str, *people: str) -> dict[str, int]:
    """Open a page as each of several people, and give what each is answered."""
    return {who: (await (await browser_of(approval, who)).get(path)).status_code for who in people}


async def mailed_link(approval: Approval, email: str) -> str:
    """Give the path of the one-time link that is on its way to somebody, as the mail carries it."""
    link_id = await approval.pool.fetchval(
        """SELECT l.id::text FROM links l JOIN mails x ON x.link_id = l.id JOIN members m ON m.id = l.member_id
           WHERE m.realm = $1 AND m.email = $2 AND l.ended_at IS NULL""",
        realm_of(email),
        email,
    )
    assert link_id is not None, f"no link waits for {email}"
    address = link_address(approval.settings, link_id)
    return address[address.index("/setup") :]


def went(response: httpx.Response, path: str) -> str:
    """Check that a form was taken and the browser sent on; give where to."""
    assert response.status_code == 303, re.sub(r"<[^>]+>", " ", response.text)[:3000]
    where = response.headers["location"]
    assert where.startswith(path), where
    return str(where)
