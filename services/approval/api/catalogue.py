"""The services covered, and what of them is not."""

from shared.web.bodies import Router

router = Router(tags=["catalogue"])
