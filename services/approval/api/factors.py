"""Second factors of whoever is signed in, and the words that a passkey signs."""

from shared.web.bodies import Router

router = Router(tags=["factors"])
