"""What the tests of rules of several share: people who may decide and lose that, and how many of them it takes."""

from __future__ import annotations

from typing import Any

from httpx import Response

from services.approval.domain.people import DECIDING_ROLES
from shared.database.pool import transaction
from tests.integration.approval.system import Approval

ADMIN, DPO, HELPDESK, AUDITOR = (f"{name}@contoso.example" for name in ("admin", "dpo", "helpdesk", "auditor"))
SETTINGS = "/v1/tenants/contoso/settings"
CHANGES = "/v1/tenants/contoso/changes"


async def appoint(approval: Approval, *emails: str, role: str = "lockbox_approver") -> None:
    """Let people decide, as a change of membership does: under the tenant's lock."""
    await _change(
        approval, "INSERT INTO member_roles (member_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING", emails, role
    )


async def dismiss(approval: Approval, *emails: str) -> None:
    """Take every role that decides from people."""
    for role in DECIDING_ROLES:
        await _change(approval, "DELETE FROM member_roles WHERE member_id = $1 AND role = $2", emails, role)


async def _change(approval: Approval, statement: str, emails: tuple[str, ...], role: str) -> None:
    ids = [(await approval.member(email)).id for email in emails]
    async with transaction(approval.pool) as connection:
        await connection.execute("SELECT 1 FROM tenants WHERE tenant = 'contoso' FOR UPDATE")
        await connection.executemany(statement, [(one, role) for one in ids])


async def require(approval: Approval, approvals: int) -> None:
    """Set how many approve, past the vote that lowering it takes."""
    await approval.pool.execute(
        """UPDATE tenants SET settings = jsonb_set(settings, '{approvals_required}', to_jsonb($1::integer)),
                              settings_version = settings_version + 1 WHERE tenant = 'contoso'""",
        approvals,
    )


async def put(approval: Approval, who: str, **changes: Any) -> Response:
    """Change settings as somebody who has just read them."""
    read = await approval.call(who, "GET", SETTINGS)
    assert read.status_code == 200, read.text
    return await approval.call(who, "PUT", SETTINGS, read.json() | changes)


async def settings(approval: Approval) -> dict[str, Any]:
    read: dict[str, Any] = (await approval.call(DPO, "GET", SETTINGS)).json()
    return read
