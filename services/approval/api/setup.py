"""The other end of a one-time link, and the way back in for who is locked out."""

from shared.web.bodies import Router

router = Router(tags=["setup"])
