"""Tenants, registered by the provider's operators, and their entitlement."""

from shared.web.bodies import Router

router = Router(tags=["tenants"])
