"""Every page of the portal, with somebody who sees it: what is looked at on a phone, with axe, in both languages."""

from __future__ import annotations

from typing import Final

from tests.browser.windows import Windows

# {waiting} is a request that waits for the customer and was asked about, {granted} one that was approved.
PAGES: Final = {
    "dpo@contoso.example": [
        *("/requests", "/requests/{waiting}", "/requests/{granted}", "/grants", "/history", "/settings"),
        *("/members/dpo@contoso.example", "/account", "/account/totp", "/account/passkey"),
    ],
    "admin@contoso.example": [
        *("/members", "/members/add", "/members/helpdesk@contoso.example", "/members/helpdesk@contoso.example/reset"),
        *("/members/helpdesk@contoso.example/roles/auditor/give", "/clients", "/clients/{client}/revoke"),
        *("/issuers", "/issuers/add", "/account/recovery-codes"),
    ],
    "dpo@fabrikam.example": ["/changes", "/changes/{change}"],
    "auditor@contoso.example": ["/requests/{waiting}", "/settings"],
    "user@contoso.example": ["/account"],
    "eve@provider.example": ["/requests", "/requests/{waiting}", "/requests/{granted}"],
    "max@provider.example": ["/requests", "/requests/{for_provider}", "/tenants"],
    "otto@provider.example": ["/tenants/add", "/tenants/contoso/entitlement", "/members"],
    "": ["/sign-in", "/setup?token=nonsense", "/setup", "/recover"],
}
# No pages for people to read, or such as need a real issuer or a registered factor: those have tests of their own.
NOT_LOOKED_AT: Final = {
    *("/", "/language", "/live", "/static/{name}", "/favicon.ico"),
    *("/oidc/{issuer_id}/start", "/oidc/renew", "/oidc/callback", "/issuers/{issuer_id}/remove"),
    "/account/factors/{factor_id}",
}


async def make_places(windows: Windows) -> dict[str, str]:
    """Make what the addresses name."""
    admin = await windows.person("admin@contoso.example")
    body = {"name": "log reader", "scopes": ["audit:read"]}
    client = await admin.does("approval", "POST", "/v1/tenants/contoso/clients", body)
    return {**await windows.requests(), "client": client["id"], "change": await _change(windows)}


async def _change(windows: Windows) -> str:
    """Have fabrikam decide by two, and one of them propose to switch its lockbox off."""
    admin = await windows.person("admin@fabrikam.example")
    place = "/v1/tenants/fabrikam/settings"
    settings = await admin.does("approval", "GET", place)
    if settings["approvals_required"] == 1:
        settings = await admin.does("approval", "PUT", place, settings | {"approvals_required": 2})
    change = await admin.does("approval", "PUT", place, settings | {"enabled": False})
    return str(change["id"])
