"""Changes that weaken a tenant's protection, and the votes on them."""

from shared.web.bodies import Router

router = Router(tags=["changes"])
