"""Makes a service's HTTP app: every answer, error and document has the same form in all of them."""

import asyncio
import html
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from shared.settings import Settings
from shared.web import problems
from shared.web.bodies import Route, Router
from shared.web.edge import Edge
from shared.web.health import Check, health_routes

API_VERSION: Final = "1"
_BODY: Final = {
    400: "`malformed_json`",
    413: "`body_too_large`: over 64 KiB",
    415: "`unsupported_media_type`: not JSON",
}
_ANY: Final = {500: "`internal_error`", 503: "`unavailable`; Retry-After says when to try again"}

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def make_app(
    service: str,
    settings: Settings,
    *,
    title: str,
    routers: Sequence[APIRouter],
    lifespan: Lifespan | None = None,
    checks: Mapping[str, Check] | None = None,
) -> FastAPI:
    """Make the app: errors, limits, request ids, health, metrics and documents around a service's routes.

    `routers` are made by `shared.web.bodies.Router`; `lifespan` opens and closes what the service stands on; `checks` are
    what `/readyz` asks, and may be filled during the lifespan. `app.state.service` and `app.state.settings` are set.
    """
    app = FastAPI(
        title=title,
        version=API_VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.settings = settings
    # Set once the process is told to stop: a call that only waits for something new answers then.
    app.state.stopping = asyncio.Event()
    for router in (*routers, health_routes(checks if checks is not None else {}), _document_routes(app)):
        for route in router.routes:
            if isinstance(route, APIRoute) and not isinstance(route, Route):
                raise TypeError(f"{route.path} reads its body unchecked: make its router with shared.web.bodies.Router")
        # Not `include_router`: that matches each call twice, and a router of ours brings all that its routes need.
        app.router.routes.extend(router.routes)
    problems.install(app)
    app.add_middleware(Edge)
    return app


def openapi(app: FastAPI) -> dict[str, Any]:
    """Give the app's OpenAPI document, in which each operation names its problem+json answers."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = problems.PROBLEM_SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            _document_refusals(path, operation)
    app.openapi_schema = document
    return document


def _document_refusals(path: str, operation: dict[str, Any]) -> None:
    refused: dict[int, str] = dict(_ANY)
    if "security" in operation:
        refused[401] = "`not_authenticated`, `token_invalid`"
    if "{" in path:
        refused[404] = "`not_found`: it does not exist, or you may not see it"
    if "requestBody" in operation:
        refused |= _BODY
    if "requestBody" in operation or operation.get("parameters"):
        refused[422] = "`invalid_request`: `errors` names the fields"
    answers: dict[str, Any] = operation["responses"]
    written = answers.get("422", {}).get("content", {})
    if "application/json" in written:
        # FastAPI's own description of a validation error, which we do not send.
        del answers["422"]
    for status, response in problems.refuses(refused).items():
        answers.setdefault(str(status), response)
    operation["responses"] = dict(sorted(answers.items()))


def _document_routes(app: FastAPI) -> Router:
    router = Router(include_in_schema=False)

    @router.get("/openapi.json")
    async def document() -> Response:
        return Response(json.dumps(openapi(app)), media_type="application/json")

    @router.get("/docs")
    async def docs() -> Response:
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(docs_page(openapi(app)), headers=policy, media_type="text/html; charset=utf-8")

    return router


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "code{font-family:ui-monospace,monospace}h2{margin:2rem 0 .3rem;font-size:1.05rem}"
    "h2 b{display:inline-block;min-width:4.5rem}ul{margin:.3rem 0}p{margin:.2rem 0}"
    "@media(prefers-color-scheme:dark){body{background:#16181c;color:#e6e6e6}a{color:#8ab4ff}}"
)


def docs_page(document: Mapping[str, Any]) -> str:
    """Write an OpenAPI document as a page that loads nothing: each route, what it takes and what it answers."""
    title = html.escape(document["info"]["title"])
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>",
        "<p>The whole of it, for programs: <a href='/openapi.json'>/openapi.json</a>.</p>",
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><b>{method.upper()}</b> <code>{html.escape(path)}</code></h2>")
            said = (operation.get("summary"), operation.get("description"))
            parts.extend(f"<p>{html.escape(text)}</p>" for text in said if text)
            taken = [
                f"{parameter['name']} ({parameter['in']}{', required' if parameter.get('required') else ''})"
                for parameter in operation.get("parameters", ())
            ]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = content.get("schema", {})
                name = str(schema.get("$ref", "")).rpartition("/")[2]
                fields = document["components"]["schemas"].get(name, {}).get("properties", {})
                taken.append(f"body {{{', '.join(fields)}}}")
            if taken:
                parts.append(f"<p>Takes: <code>{html.escape(', '.join(taken))}</code></p>")
            parts.append("<ul>")
            for status, response in operation["responses"].items():
                parts.append(f"<li><code>{html.escape(status)}</code> {html.escape(response['description'])}</li>")
            parts.append("</ul>")
    return "".join(parts)
