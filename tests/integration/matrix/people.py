"""Everybody who may call: each role of either realm by itself, people without a role, another tenant, a machine, nobody."""

from __future__ import annotations

from typing import Final

# Each of the demo's people has one role and no other.
PEOPLE: Final = {
    "engineer": "eve@provider.example",
    "other_engineer": "erin@provider.example",
    "manager": "max@provider.example",
    "provider_auditor": "ada@provider.example",
    "operator": "otto@provider.example",
    "provider_nobody": "nemo@provider.example",
    "global_admin": "admin@contoso.example",
    "lockbox_approver": "dpo@contoso.example",
    "user_admin": "helpdesk@contoso.example",
    "auditor": "auditor@contoso.example",
    "nobody": "user@contoso.example",
    "other_admin": "admin@fabrikam.example",
}
# In no demo: somebody of the provider's who has no role at all.
WITHOUT_ROLE: Final = "nemo@provider.example"

PROVIDER: Final = "engineer other_engineer manager provider_auditor operator provider_nobody"
WITH_ROLE: Final = "global_admin lockbox_approver user_admin auditor"
TENANT: Final = f"{WITH_ROLE} nobody"
DECIDERS: Final = "global_admin lockbox_approver"
EVERYBODY: Final = f"{PROVIDER} {TENANT} other_admin"
