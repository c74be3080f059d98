"""Wires expiry: its handlers, its timers, and the routes that tell how it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.expiry.firing import Firing
from services.expiry.handlers import HANDLERS
from shared.service import running
from shared.settings import Settings
from shared.web.app import make_app
from shared.web.dead_letters import dead_letter_routes
from shared.web.health import Check


def build(settings: Settings) -> FastAPI:
    """Make the app; what runs beside its HTTP begins and ends with its lifespan."""
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        firing = Firing()
        async with running(
            "expiry",
            database_url=settings.database_url.get_secret_value(),
            amqp_url=settings.amqp_url.get_secret_value(),
            pool_size=settings.database_pool,
            handlers=HANDLERS,
            applied=firing.heard,
        ) as started:
            started.run(firing.run(started.pool), name="timers")
            app.state.running = started
            checks.update(started.checks())
            yield

    return make_app(
        "expiry",
        settings,
        title="Lockbox: expiry",
        routers=[dead_letter_routes(settings.internal_secret)],
        lifespan=lifespan,
        checks=checks,
    )
