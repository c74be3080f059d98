"""The page at the service's own address: what this is, and where to go on."""

from typing import Annotated, Final

from fastapi import Depends, Response

from services.approval.parts import Parts, parts_of
from shared.web.bodies import Router

router = Router(include_in_schema=False)

_POLICY: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_DEMO: Final = "<p><strong>This is a demonstration: its people and tenants are made up.</strong></p>"
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Lockbox: approval</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e6e6 } a { color: #8ab4ff } }
</style>
<h1>Lockbox</h1>
DEMO
<p>No engineer of the provider touches a customer's data without the customer's decision. This service takes the decisions:
the provider's manager agrees first, then the customer's approvers, and access ends by itself after four hours at most.</p>
<p>Its calls are described at <a href="/docs">/docs</a>; whether it can serve is said at <a href="/readyz">/readyz</a>.</p>
</html>
"""


@router.get("/")
async def front(parts: Annotated[Parts, Depends(parts_of)]) -> Response:
    page = _PAGE.replace("DEMO\n", f"{_DEMO}\n" if parts.settings.demo else "")
    return Response(page, headers=_POLICY, media_type="text/html; charset=utf-8")
