"""Who may do what at approval. Written by hand: a route that is not in here fails the tests."""

from __future__ import annotations

from typing import Final

from tests.integration.matrix.people import DECIDERS, EVERYBODY, PROVIDER, TENANT, WITH_ROLE
from tests.integration.matrix.table import Row

SEES_CUSTOMERS_REQUEST: Final = "engineer manager provider_auditor user_admin auditor"

REQUESTS: Final = (
    Row(
        "GET /v1/requests",
        may=f"engineer other_engineer manager provider_auditor {WITH_ROLE} other_admin",
        sees="operator provider_nobody nobody",
    ),
    Row("GET /v1/requests/{request_id}", "waits_for_provider", may="engineer manager provider_auditor", case="before"),
    Row(
        "GET /v1/requests/{request_id}",
        "waits_for_customer",
        may=f"engineer manager provider_auditor {WITH_ROLE}",
        case="passed on",
    ),
    Row(
        "POST /v1/requests/{request_id}/provider-approve",
        "waits_for_provider",
        may="manager",
        sees="engineer provider_auditor",
    ),
    Row(
        "POST /v1/requests/{request_id}/provider-deny",
        "waits_for_provider_denied",
        may="manager",
        sees="engineer provider_auditor",
    ),
    # Before the provider has approved it, a customer's decider knows of no request.
    Row(
        "POST /v1/requests/{request_id}/approve",
        "waits_for_provider",
        sees="engineer manager provider_auditor",
        case="before",
    ),
    *(
        Row(f"POST /v1/requests/{{request_id}}/{act}", stage, may=DECIDERS, sees=SEES_CUSTOMERS_REQUEST)
        for act, stage in (
            ("approve", "waits_for_customer"),
            ("deny", "waits_for_customer_denied"),
            ("challenge", "waits_for_customer_challenged"),
        )
    ),
    # Asking and ending access weaken nothing: the provider's managers may too.
    *(
        Row(route, stage, may=f"{DECIDERS} manager", sees=SEES_CUSTOMERS_REQUEST.replace("manager ", ""))
        for route, stage in (
            ("POST /v1/requests/{request_id}/questions", "waits_for_customer_asked"),
            ("POST /v1/grants/{grant_id}/revoke", "granted"),
        )
    ),
)

SETTINGS: Final = (
    Row("GET /v1/tenants/{tenant_id}/settings", "contoso", may=f"{DECIDERS} auditor", sees="user_admin nobody"),
    Row("PUT /v1/tenants/{tenant_id}/settings", "settings", may=DECIDERS, sees="user_admin auditor nobody"),
    Row("GET /v1/tenants/{tenant_id}/changes", "contoso", may=WITH_ROLE, sees="nobody"),
    Row("GET /v1/tenants/{tenant_id}/changes/{change_id}", "change", may=WITH_ROLE),
    *(
        Row(
            f"POST /v1/tenants/{{tenant_id}}/changes/{{change_id}}/{vote}",
            "change",
            may=DECIDERS,
            sees="user_admin auditor",
        )
        for vote in ("approve", "deny")
    ),
)

# Whose account is touched decides who may: anybody's by the realm's administrators of people, a privileged one's by a
# global_admin alone. `{realm}` is a tenant, or `provider`, whose people its operators manage.
_NOT_ADMIN: Final = "lockbox_approver user_admin auditor nobody"
_NOT_PEOPLE_ADMIN: Final = "lockbox_approver auditor nobody"
_NOT_OPERATOR: Final = "engineer other_engineer manager provider_auditor provider_nobody"
_MEMBER: Final = "/v1/tenants/{realm}/members/{email}"
MEMBERS: Final = (
    Row("GET /v1/tenants/{realm}/members", "contoso", may=WITH_ROLE, sees="nobody"),
    Row(
        "GET /v1/tenants/{realm}/members",
        "provider",
        may=PROVIDER.replace(" provider_nobody", ""),
        sees="provider_nobody",
        case="provider",
    ),
    Row(
        "POST /v1/tenants/{realm}/members",
        "new_member",
        may="global_admin user_admin",
        sees=_NOT_PEOPLE_ADMIN,
    ),
    Row("POST /v1/tenants/{realm}/members", "new_approver", may="global_admin", sees=_NOT_ADMIN, case="with a role"),
    Row("POST /v1/tenants/{realm}/members", "new_engineer", may="operator", sees=_NOT_OPERATOR, case="provider"),
    Row(f"GET {_MEMBER}", "member", may=WITH_ROLE, sees="nobody"),
    *(
        row
        for route in (f"DELETE {_MEMBER}", f"POST {_MEMBER}/password-reset", f"DELETE {_MEMBER}/factors")
        for row in (
            Row(route, "member", may="global_admin user_admin", sees=_NOT_PEOPLE_ADMIN),
            Row(route, "approver", may="global_admin", sees=_NOT_ADMIN, case="of an approver"),
            Row(route, "user_admin", may="global_admin", sees=_NOT_ADMIN, case="of a user_admin"),
            Row(route, "provider_member", may="operator", sees=_NOT_OPERATOR, case="provider"),
        )
    ),
    *(
        row
        for method in ("PUT", "DELETE")
        for row in (
            Row(f"{method} {_MEMBER}/roles/{{role}}", "role", may="global_admin", sees=_NOT_ADMIN),
            Row(
                f"{method} {_MEMBER}/roles/{{role}}",
                "auditors_role",
                may="global_admin",
                sees=_NOT_ADMIN,
                case="auditor",
            ),
            Row(
                f"{method} {_MEMBER}/roles/{{role}}",
                "provider_role",
                may="operator",
                sees=_NOT_OPERATOR,
                case="provider",
            ),
        )
    ),
)

TENANTS: Final = (
    Row("POST /v1/tenants", "new_tenant", may="operator", sees=f"{_NOT_OPERATOR} {TENANT} other_admin"),
    Row(
        "GET /v1/tenants",
        may=f"operator manager provider_auditor {WITH_ROLE} other_admin",
        sees="engineer other_engineer provider_nobody nobody",
    ),
    Row("GET /v1/tenants/{tenant_id}", "contoso", may=f"operator manager provider_auditor {WITH_ROLE}", sees="nobody"),
    Row(
        "PUT /v1/tenants/{tenant_id}/entitlement",
        "entitlement",
        may="operator",
        sees=f"manager provider_auditor {TENANT}",
    ),
)

CLIENTS: Final = (
    Row("GET /v1/tenants/{realm}/clients", "contoso", may=f"{DECIDERS} auditor", sees="user_admin nobody"),
    Row("POST /v1/tenants/{realm}/clients", "new_client", may="global_admin", sees=_NOT_ADMIN),
    Row("DELETE /v1/tenants/{realm}/clients/{client_id}", "client", may="global_admin", sees=_NOT_ADMIN),
)

ISSUERS: Final = (
    Row("GET /v1/tenants/{tenant_id}/issuers", "contoso", may=WITH_ROLE, sees="nobody"),
    # Who may is told that nobody answers at the issuer's address.
    Row("POST /v1/tenants/{tenant_id}/issuers", "new_issuer", may="global_admin", sees=_NOT_ADMIN, success=(422,)),
    Row("DELETE /v1/tenants/{tenant_id}/issuers/{issuer_id}", "issuer", may="global_admin", sees=_NOT_ADMIN),
)

# One's own account: everybody's, and nobody else's can be named: a factor or session that is another's is not there. Where a
# password would be asked for, an empty body is told what is missing, after who calls was looked at.
OWN: Final = (
    *(
        Row(route, may=EVERYBODY)
        for route in ("GET /v1/me", "GET /v1/me/sessions", "DELETE /v1/sessions/current", "GET /v1/services")
    ),
    Row("DELETE /v1/me/sessions/{session_id}", "others_session"),
    Row("POST /v1/me/factors/totp/{factor_id}/confirm", "others_factor"),
    *(
        Row(f"POST {path}", "empty", may=EVERYBODY, success=(422,))
        for path in (
            "/v1/me/password",
            "/v1/me/recovery-codes",
            "/v1/me/factors/passkey",
        )
    ),
)

# As above, of what takes the password again.
_AGAIN: Final = tuple(
    Row(f"POST {path}", "no_password", may=EVERYBODY, success=(422,))
    for path in (
        "/v1/me/factors/totp",
        "/v1/me/factors/passkey/options",
        "/v1/me/factors/{factor_id}/remove",
    )
)

# Nobody's session is asked for: what counts is the password, link, code, client secret or nothing.
PUBLIC: Final = tuple(
    Row(route, stage, without_token=True, success=success)
    for route, stage, success in (
        ("POST /v1/sessions", "empty", (422,)),
        ("POST /v1/setup", "empty", (422,)),
        ("POST /v1/recovery", "empty", (422,)),
        ("POST /v1/token", "empty", (415,)),
        ("GET /v1/realms/{realm}/issuers", "contoso", (200,)),
        ("GET /.well-known/jwks.json", "nothing", (200,)),
        ("GET /healthz", "nothing", (200,)),
        ("GET /readyz", "nothing", (200, 503)),
        ("GET /metrics", "nothing", (200,)),
    )
)

# The services' own credential, which is no person's: whoever has a session is refused as one without a token.
INTERNAL: Final = (
    "GET /internal/dead-letters",
    "GET /internal/dead-letters/{number}",
    "POST /internal/dead-letters/{number}/replay",
)

ROWS: Final = (*REQUESTS, *SETTINGS, *MEMBERS, *TENANTS, *CLIENTS, *ISSUERS, *OWN, *_AGAIN, *PUBLIC)
