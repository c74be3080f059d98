"""A realm's machine clients, and the tokens that they fetch."""

from shared.web.bodies import Router

router = Router(tags=["clients"])
