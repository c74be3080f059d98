"""Wires audit: settings, pool, broker, projections, HTTP."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog
from fastapi import FastAPI

from services.audit.api import events, requests, stream
from services.audit.api.internal import internal_routes
from services.audit.api.parts import Audit
from services.audit.growth import Growth
from services.audit.ingest import Ingest
from services.audit.projections.directory import DIRECTORY
from services.audit.projections.projector import Projection, Projector
from services.audit.projections.requests import REQUESTS
from services.audit.projections.usage import USAGE
from services.audit.readiness import demo_is_there, projections_are_near
from services.audit.reading import Reading
from services.audit.store import log
from shared.database.pool import Pool, transaction
from shared.messaging.inbox import Handler, Inbox
from shared.security.keys import JwksSource
from shared.security.tokens import KeySource, reader_verifier
from shared.service import running
from shared.settings import Settings, SettingsError
from shared.web.app import make_app
from shared.web.dead_letters import dead_letter_routes
from shared.web.health import Check

PROJECTIONS: tuple[Projection, ...] = (DIRECTORY, REQUESTS, USAGE)
AUDIENCE = "lockbox-audit"


def build(settings: Settings, *, keys: KeySource | None = None) -> FastAPI:
    """Make the app. `keys` are those that sign sessions, where they do not come from approval."""
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            httpx.AsyncClient() as client,
            running(
                log.SERVICE,
                database_url=settings.database_url.get_secret_value(),
                amqp_url=settings.amqp_url.get_secret_value(),
                pool_size=settings.database_pool,
                make_apply=lambda pool: Ingest(pool).apply,
            ) as service,
        ):
            name = await log_name(service.pool, settings.log_origin)
            source = keys or JwksSource(f"{settings.approval_url}/.well-known/jwks.json", client)
            app.state.running = service
            service.inbox = inbox = make_inbox(service.pool)
            growth = Growth(service.pool)
            projectors = [Projector(service.pool, one, inbox, growth) for one in PROJECTIONS]
            reading = Reading(service.pool, reader_verifier(source, AUDIENCE))
            app.state.audit = Audit(service.pool, growth, reading, projectors, name, app.state.stopping)
            service.run(growth.run(), name="growth")
            for projector in projectors:
                service.run(projector.run(), name=f"projection {projector.name}")
            checks.update(service.checks())
            checks["projections"] = projections_are_near(service.pool)
            if settings.demo:
                checks["demo"] = demo_is_there(service.pool)
            yield

    return make_app(
        log.SERVICE,
        settings,
        title="Lockbox: the audit log",
        routers=[
            stream.router,  # Before the route of single events, which would take "stream" for an id.
            events.router,
            requests.router,
            internal_routes(settings.internal_secret),
            dead_letter_routes(settings.internal_secret),
        ],
        lifespan=lifespan,
        checks=checks,
    )


def make_inbox(pool: Pool) -> Inbox:
    """Make what applies single events in order, with the handlers of all projections. No type has two."""
    handlers: dict[str, Handler] = {}
    for projection in PROJECTIONS:
        assert handlers.keys().isdisjoint(projection.handlers)
        handlers |= projection.handlers
    return Inbox(pool, log.SERVICE, handlers)


async def log_name(pool: Pool, wanted: str | None) -> str:
    """Return the name of the logs here: as it is set, or chosen at the first start. Raises SettingsError for another one."""
    async with transaction(pool) as connection:
        name = await log.origin(connection, wanted or f"lockbox-{secrets.token_hex(8)}")
    if wanted is not None and wanted != name:
        raise SettingsError(
            f"LOCKBOX_LOG_ORIGIN is {wanted}, but this log was begun as {name}, which stands in every proof of it: "
            f"set it to {name}"
        )
    structlog.get_logger(__name__).info("log_opened", origin=name)
    return name
