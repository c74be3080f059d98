"""Wires the notifier: its handlers, its sending, and the routes that tell how it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from services.notifier import demo
from services.notifier.handlers import make_handlers
from services.notifier.letters import Letters
from services.notifier.sending import Sending
from shared.mail.smtp import mail_server
from shared.mail.tries import Backoff
from shared.service import running
from shared.settings import Settings, portal_of
from shared.web.app import make_app
from shared.web.dead_letters import dead_letter_routes
from shared.web.health import Check

# A worker holds a connection while a server takes a mail; relay, intake and routes need theirs beside it.
WORKERS = 4
OTHER_CONNECTIONS = 5


def build(settings: Settings, *, backoff: Backoff | None = None) -> FastAPI:
    """Make the app; what runs beside its HTTP begins and ends with its lifespan."""
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        workers = max(1, min(WORKERS, settings.database_pool - OTHER_CONNECTIONS))
        sending = Sending(mail_server(settings), settings.mail_from, backoff=backoff, workers=workers)
        async with running(
            "notifier",
            database_url=settings.database_url.get_secret_value(),
            amqp_url=settings.amqp_url.get_secret_value(),
            pool_size=settings.database_pool,
            handlers=make_handlers(Letters(portal=portal_of(settings), demo=settings.demo)),
            applied=sending.heard,
        ) as started:
            started.run(sending.run(started.pool), name="sending")
            app.state.running = started
            checks.update(started.checks())
            if settings.demo:
                checks["demo"] = partial(demo.missing, started.pool)
            yield

    return make_app(
        "notifier",
        settings,
        title="Lockbox: notifier",
        routers=[dead_letter_routes(settings.internal_secret)],
        lifespan=lifespan,
        checks=checks,
    )
