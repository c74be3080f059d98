"""The outermost layer around each call: its id, its size, its time, and an answer whatever happens inside. Pure ASGI."""

import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from shared.events.envelope import new_id
from shared.observability.metrics import REGISTRY
from shared.web.problems import Problem, answer_for, invalid, not_found

MAX_BODY_BYTES: Final = 64 * 1024
_LENGTH_DIGITS: Final = 9
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = structlog.get_logger(__name__)

_ANSWERS = Counter("lockbox_http_answers", "Answers to HTTP calls.", ["route", "method", "status"], registry=REGISTRY)
_SECONDS = Histogram("lockbox_http_seconds", "Time from a call to the end of its answer.", ["route"], registry=REGISTRY)
# Routes, methods and statuses are few; looking the label up costs more than counting.
_answers = lru_cache(maxsize=4096)(_ANSWERS.labels)
_seconds = lru_cache(maxsize=1024)(_SECONDS.labels)


def _too_large() -> Problem:
    # What was not read is not waited for either: the connection ends with this answer.
    detail = f"A body has at most {MAX_BODY_BYTES} bytes."
    return Problem(413, "body_too_large", detail, headers={"Connection": "close"})


def _bounded(receive: Receive) -> Receive:
    """Count what arrives, so that a body in chunks without a length is bounded too. Raises Problem 413."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise _too_large()
        return message

    return bounded


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return value.decode()
    return new_id()


def _check(scope: Scope) -> None:
    """Refuse what no route should see: announced lengths over the limit, and NUL characters in the address."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            sound = value.isdigit() and len(value) <= _LENGTH_DIGITS
            if not sound or int(value) > MAX_BODY_BYTES:
                raise _too_large()
    if "\0" in scope["path"]:
        raise not_found()
    query: bytes = scope["query_string"]
    if b"%00" in query or b"\0" in query:
        part = next(part for part in query.split(b"&") if b"%00" in part or b"\0" in part)
        field = part.partition(b"=")[0].decode("ascii", "replace")
        raise invalid((field, "must not contain the character U+0000: remove it"))


class Edge:
    """Wraps an app's routes. Every answer carries `X-Request-Id`: the caller's own where it is sane, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        request_id = _request_id(scope["headers"])
        id_header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
            await send(message)

        tokens = bind_contextvars(request_id=request_id)
        try:
            _check(scope)
            await self.app(scope, _bounded(receive), send_with_id)
        except Exception as error:
            if status:
                # Half an answer cannot be taken back: the server cuts the connection, so nobody takes it for whole.
                raise
            await answer_for(error).response()(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            _answers(route, method, status).inc()
            _seconds(route).observe(seconds)
            _log.debug("answered", method=method, path=scope["path"], status=status, seconds=round(seconds, 6))
            reset_contextvars(**tokens)
