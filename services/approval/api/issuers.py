"""The OIDC issuers that a tenant trusts, and signing in through them."""

from shared.web.bodies import Router

router = Router(tags=["issuers"])
