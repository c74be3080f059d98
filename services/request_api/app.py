"""Wires request_api: its pool and messaging, the keys, and the routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from services.request_api import readiness
from services.request_api.api import actions, grants, requests
from services.request_api.commands.act import Actions
from services.request_api.commands.submit import SERVICE, Submissions
from services.request_api.commands.upkeep import summarizing
from services.request_api.core import Core
from services.request_api.handlers import HANDLERS, lock
from services.request_api.proofs import Proofs
from services.request_api.store import actions as stored_actions
from services.request_api.store import people
from shared.security.keys import JwksSource, LocalJwks, load_key
from shared.security.tokens import grant_verifier, session_verifier
from shared.service import running
from shared.settings import Settings
from shared.web.app import make_app
from shared.web.dead_letters import dead_letter_routes
from shared.web.health import Check
from shared.web.idempotency import BodyDigest

# Among those that every session is for.
_AUDIENCE = "lockbox-request-api"


def build(settings: Settings) -> FastAPI:
    """Make the app; what runs beside its HTTP begins and ends with its lifespan, which raises BadKey."""
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        assert settings.token_key_file is not None, "load_settings sees to it"
        key = load_key(settings.token_key_file)
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            running(
                SERVICE,
                database_url=settings.database_url.get_secret_value(),
                amqp_url=settings.amqp_url.get_secret_value(),
                pool_size=settings.database_pool,
                handlers=HANDLERS,
                lock=lock,
                forget=[people.prune_sessions, stored_actions.prune],
            ) as started,
        ):
            pool = started.pool
            core = Core(
                pool=pool,
                sessions=session_verifier(
                    JwksSource(f"{settings.approval_url}/.well-known/jwks.json", client), _AUDIENCE
                ),
                grants=grant_verifier(LocalJwks([key])),
                grant_key=key,
                digest=BodyDigest(settings.internal_secret),
                proofs=Proofs(client, settings.audit_url, settings.internal_secret),
                submissions=Submissions(pool, settings.catalogue),
                actions=Actions(pool, staleness=settings.gate_staleness),
            )
            started.run(summarizing(pool), name="summaries")
            app.state.running = started
            app.state.core = core
            checks.update(started.checks())
            if settings.demo:
                checks["demo"] = readiness.demo_check(pool)
            try:
                yield
            finally:
                await core.submissions.close()
                await core.actions.close()

    return make_app(
        SERVICE,
        settings,
        title="Lockbox: request_api",
        routers=[
            requests.router,
            grants.router,
            actions.router,
            dead_letter_routes(settings.internal_secret),
        ],
        lifespan=lifespan,
        checks=checks,
    )
