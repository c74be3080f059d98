"""People of a realm and their roles."""

from shared.web.bodies import Router

router = Router(tags=["members"])
