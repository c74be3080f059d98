"""Who may do what at request_api and at audit. Written by hand: a route that is not in here fails the tests."""

from __future__ import annotations

from typing import Final

from tests.integration.matrix.people import EVERYBODY, TENANT
from tests.integration.matrix.table import Row

_OVERSEERS: Final = "manager provider_auditor"
_CUSTOMERS: Final = f"{TENANT} other_admin"

# What is the provider's own: a tenant's people use approval and audit. Whoever of the provider's has no role at all is told so,
# of what is there as of what is not.
REQUEST_API: Final = (
    Row(
        "GET /v1/requests",
        may=f"engineer other_engineer {_OVERSEERS}",
        sees=f"operator provider_nobody {_CUSTOMERS}",
    ),
    Row(
        "POST /v1/requests",
        "submission",
        may="engineer other_engineer manager",
        sees=f"provider_auditor operator provider_nobody {_CUSTOMERS}",
    ),
    Row("GET /v1/requests/{id}", "request", may=f"engineer {_OVERSEERS}", sees="provider_nobody"),
    Row("GET /v1/requests/{id}", "no_request", sees="provider_nobody", case="that is not there"),
    Row("POST /v1/requests/{id}/withdraw", "request", may="engineer", sees=f"{_OVERSEERS} provider_nobody"),
    Row("POST /v1/requests/{id}/answers", "answer", may="engineer", sees=f"{_OVERSEERS} provider_nobody"),
    Row("POST /v1/requests/{id}/token", "granted", may="engineer", sees=f"{_OVERSEERS} provider_nobody"),
    Row("POST /v1/grants/{grant_id}/release", "granted", may="engineer", sees=f"{_OVERSEERS} provider_nobody"),
)

_READERS: Final = "provider_auditor global_admin lockbox_approver auditor"
_NO_READERS: Final = " ".join(who for who in EVERYBODY.split() if who not in {*_READERS.split(), "other_admin"})

# A tenant's readers see its log, the provider's auditor all; what is another tenant's is not there.
AUDIT: Final = (
    *(
        Row(route, may=f"{_READERS} other_admin", sees=_NO_READERS)
        for route in ("GET /v1/events", "GET /v1/events/stream", "GET /v1/requests")
    ),
    *(
        Row(route, "granted", may=_READERS, sees=_NO_READERS)
        for route in ("GET /v1/events/{event_id}", "GET /v1/events/{event_id}/bytes", "GET /v1/requests/{request_id}")
    ),
)

_DEAD_LETTERS: Final = (
    "GET /internal/dead-letters",
    "GET /internal/dead-letters/{number}",
    "POST /internal/dead-letters/{number}/replay",
)
# Another credential than a session: a grant's token, or the services' own. Whoever has a session alone is nobody there.
OTHER_CREDENTIALS: Final = {
    "request_api": ("POST /v1/actions", "POST /v1/actions/{action_id}/completion", *_DEAD_LETTERS),
    "audit": (
        "GET /internal/v1/events/{event_id}",
        "POST /internal/v1/projections/{name}/rebuild",
        *_DEAD_LETTERS,
    ),
}
PUBLIC: Final = {
    "request_api": ("GET /.well-known/jwks.json", "GET /healthz", "GET /readyz", "GET /metrics"),
    "audit": ("GET /healthz", "GET /readyz", "GET /metrics"),
}
TABLES: Final = {"request_api": REQUEST_API, "audit": AUDIT}
