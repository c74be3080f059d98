"""Whether a service lives, whether it can serve, and its metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from fastapi import Response

from shared.observability.metrics import CONTENT_TYPE, exposition
from shared.web.answers import answer
from shared.web.bodies import Router

CHECK_SECONDS: Final = 3.0
OK: Final = "ok"
_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""Gives None (or "ok") when the part can be used, else the reason in a few words. May raise."""


async def _outcome(name: str, check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check() or OK
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - Whatever it is, the part cannot be used; the log has the whole of it.
        _log.warning("check failed", check=name, exc_info=error)
        # Readiness is open to all: the kind of the error tells enough, its text might tell addresses.
        return f"failed: {type(error).__name__}"


async def outcomes(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run all checks at once, each for at most three seconds: name -> "ok" or the reason."""
    names = list(checks)
    results = await asyncio.gather(*(_outcome(name, checks[name]) for name in names))
    return dict(zip(names, results, strict=True))


def health_routes(checks: Mapping[str, Check]) -> Router:
    """Make `/healthz`, `/readyz` and `/metrics`. `checks` may be filled later, by the app's lifespan."""
    router = Router(tags=["operation"])

    @router.get("/healthz", summary="Whether the process lives")
    async def healthz() -> Response:
        return answer({"status": OK})

    @router.get("/readyz", summary="Whether it can serve: its database, the broker, a live consumer on its queue")
    async def readyz() -> Response:
        found = await outcomes(checks)
        ready = all(outcome == OK for outcome in found.values())
        return answer({"status": "ready" if ready else "unavailable", "checks": found}, 200 if ready else 503)

    @router.get("/metrics", summary="Metrics in Prometheus' text format")
    async def metrics() -> Response:
        return Response(exposition(), headers={"Content-Type": CONTENT_TYPE})

    return router
