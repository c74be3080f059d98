"""The service approval, wired: its parts, its routes, its tasks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.approval import own_decisions, sign_in_watch
from services.approval.api import (
    catalogue,
    challenges,
    changes,
    clients,
    decisions,
    factors,
    issuers,
    me,
    members,
    requests,
    sessions,
    setup,
    tenants,
    votes,
)
from services.approval.api import settings as tenant_settings
from services.approval.demo import demo_check
from services.approval.handlers import HANDLERS
from services.approval.mailing import Mailing
from services.approval.oidc import routes as oidc
from services.approval.oidc.relying_party import RelyingParty
from services.approval.parts import SERVICE, Parts
from services.approval.portal import ROUTERS
from services.approval.store import factors as stored_factors
from services.approval.store import failures, mails, oidc_flows
from services.approval.store import sessions as stored_sessions
from shared.security.keys import LocalJwks, load_key
from shared.security.passwords import warm_up
from shared.security.tokens import session_verifier
from shared.service import running
from shared.settings import Settings
from shared.web.app import make_app
from shared.web.dead_letters import dead_letter_routes
from shared.web.health import Check
from shared.web.idempotency import BodyDigest
from shared.web.outgoing import outgoing_client

AUDIENCE = "lockbox-approval"


def build(settings: Settings) -> FastAPI:
    """Make the app. What it stands on is opened in its lifespan."""
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        assert settings.token_key_file is not None, "load_settings sees to it"
        key = load_key(settings.token_key_file)
        await warm_up()
        wake = asyncio.Event()
        async with (
            outgoing_client(settings.outbound_allow) as outgoing,
            running(
                SERVICE,
                database_url=settings.database_url.get_secret_value(),
                amqp_url=settings.amqp_url.get_secret_value(),
                pool_size=settings.database_pool,
                handlers=HANDLERS,
                applied=lambda _: wake.set(),
                forget=[stored_sessions.prune, failures.prune, stored_factors.prune, oidc_flows.prune, mails.prune],
            ) as service,
        ):
            app.state.parts = Parts(
                pool=service.pool,
                settings=settings,
                signing=key,
                verifier=session_verifier(LocalJwks([key]), AUDIENCE),
                digest=BodyDigest(settings.internal_secret),
                relying=RelyingParty(outgoing, settings.internal_secret),
            )
            app.state.running = service
            service.run(own_decisions.keep_deciding(service.pool, wake), name="own-decisions")
            service.run(sign_in_watch.keep_telling(service.pool), name="failed-sign-ins")
            service.run(Mailing(service.pool, settings).run(), name="mailing")
            checks.update(service.checks())
            if settings.demo:
                checks["demo"] = demo_check(service.pool)
            yield

    return make_app(
        SERVICE,
        settings,
        title="Lockbox: approval",
        routers=[
            sessions.router,
            me.router,
            requests.router,
            votes.router,
            decisions.router,
            tenant_settings.router,
            changes.router,
            tenants.router,
            members.router,
            clients.router,
            setup.router,
            factors.router,
            challenges.router,
            issuers.router,
            catalogue.router,
            *ROUTERS,
            oidc.router,
            dead_letter_routes(settings.internal_secret),
        ],
        lifespan=lifespan,
        checks=checks,
    )
