"""Errors as RFC 9457 problem details: what a service raises, and what a caller reads for anything that goes wrong."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import asyncpg
import httpx
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared.database.faults import is_transient
from shared.events.envelope import EventTooLarge
from shared.security.tokens import InvalidToken, KeysUnavailable
from shared.web.wording import in_words

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 2
_SHOWN_ERRORS: Final = 20
_SHOWN_CHARACTERS: Final = 100

_log = structlog.get_logger(__name__)

FieldError = tuple[str, str]
"""The field as the caller wrote it, as a dotted path (`resources.0.operations`), and what is wrong with it."""


class Problem(Exception):
    """A refusal with a stable `code`, raised anywhere below a route and answered as problem+json.

    `detail` is for humans and names the remedy; `errors` is for bad input; `headers` are added to the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = members

    def body(self) -> dict[str, Any]:
        """The problem's JSON object; `members` are further members, such as `action_id`."""
        body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status}
        body["code"] = self.code
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"field": field, "message": message} for field, message in self.errors]
        return body | self.members

    def response(self) -> Response:
        """The answer."""
        text = json.dumps(self.body(), ensure_ascii=False, separators=(",", ":"))
        content = text.encode("utf-8", "replace")
        return Response(content, self.status, self.headers, MEDIA_TYPE)


def not_found(detail: str = "There is nothing here that you may see.") -> Problem:
    """Make the answer for what does not exist and for what the caller may not see: the two look the same."""
    return Problem(404, "not_found", detail)


def forbidden(detail: str, code: str = "forbidden") -> Problem:
    """Make the answer for what the caller may see and not do. `detail` says who may."""
    return Problem(403, code, detail)


def invalid(*errors: FieldError, code: str = "invalid_request") -> Problem:
    """Make the answer for bad input: 422, each error with the field and the remedy."""
    shown = tuple((field[:_SHOWN_CHARACTERS], message) for field, message in errors[:_SHOWN_ERRORS])
    first = f"{shown[0][0]} {shown[0][1]}" if shown else "The input is not valid"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(422, code, f"{first}{more}.", errors=shown)


def unavailable(
    detail: str = "A part that this needs does not answer at the moment; nothing was done. Try again shortly.",
    code: str = "unavailable",
    *,
    retry_after: int = RETRY_AFTER_SECONDS,
) -> Problem:
    """Make the 503 answer. `retry_after` is in seconds."""
    return Problem(503, code, detail, headers={"Retry-After": str(retry_after)})


def unauthorized(code: str = "not_authenticated", detail: str = "Sign in and send the token.") -> Problem:
    """Make the 401 answer: no token, or a bad one (RFC 6750, 3)."""
    challenge = "Bearer" if code == "not_authenticated" else f'Bearer error="invalid_token", error_description="{code}"'
    return Problem(401, code, detail, headers={"WWW-Authenticate": challenge})


def problem_of(error: BaseException) -> Problem | None:
    """Give the problem that a known kind of error stands for, or None for a fault of ours (500).

    Lost connections of database or broker, timeouts and exhausted pools are 503: the transaction was not committed, or
    nobody knows, and an Idempotency-Key makes trying again safe.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, InvalidToken):
        return unauthorized("token_invalid", error.remedy)
    if isinstance(error, EventTooLarge):
        return invalid((error.field, f"makes the record longer than it may be ({error.size} bytes): shorten it"))
    if isinstance(error, ExceptionGroup):
        problems = [problem_of(one) for one in error.exceptions]
        return problems[0] if all(problems) else None
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg reports a wrong call of ours with the same class as a lost connection.
        lost = any(word in str(error) for word in ("closed", "closing", "released", "lost"))
        return unavailable() if lost else None
    if isinstance(error, KeysUnavailable | httpx.TransportError) or is_transient(error):
        return unavailable()
    return None


def _path(location: Sequence[str | int], body: object, *, missing: bool) -> str:
    """Turn pydantic's location into the path as the caller wrote it: without the names of our types and branches."""
    parts: list[str] = []
    for position, part in enumerate(location):
        if (isinstance(body, dict) and part in body) or (
            isinstance(body, list) and isinstance(part, int) and part < len(body)
        ):
            body = body[part]  # type: ignore[index]  # The condition has just looked.
        elif not (missing and position == len(location) - 1):
            continue
        parts.append(str(part))
    return ".".join(parts) or "body"


def from_validation(error: RequestValidationError) -> Problem:
    """Turn FastAPI's report into ours. A wrong part of the path names nothing that exists, so it is 404."""
    found: dict[str, str] = {}
    reports = error.errors()
    if any(report["loc"][:1] == ("path",) for report in reports):
        return not_found()
    for report in reports:
        where, *location = report["loc"]
        if where == "body":
            missing = report["type"] == "missing"
            field = _path(location, error.body, missing=missing)
            if field == "body" and missing:
                found.setdefault(field, "is required: send a JSON object")
                continue
        else:
            field = ".".join(str(part) for part in location[:1]) or str(where)
        found.setdefault(field, in_words(report))
    return invalid(*found.items())


_CODES: Final = {401: "not_authenticated", 404: "not_found", 405: "method_not_allowed"}
_DETAILS: Final = {
    404: "There is nothing at this address. The addresses are listed at /docs.",
    405: "This address does not take this method; those it takes are in the header Allow.",
}


def from_http(error: HTTPException) -> Problem:
    """Turn the framework's own errors (no such route, no such method) into ours."""
    code = _CODES.get(error.status_code) or HTTPStatus(error.status_code).name.lower()
    return Problem(error.status_code, code, _DETAILS.get(error.status_code, ""), headers=error.headers)


def answer_for(error: Exception) -> Problem:
    """Give the answer for any error that reached the edge, and log what is ours to mend."""
    problem = problem_of(error)
    if problem is None:
        _log.error("request failed by a fault of ours", exc_info=error)
        return Problem(
            500, "internal_error", "This is a fault of the service; it is in its log under the request's id."
        )
    if not isinstance(error, Problem | InvalidToken):
        _log.warning("request refused", code=problem.code, cause=f"{type(error).__name__}: {error}"[:300])
    return problem


def install(app: FastAPI) -> None:
    """Make the app answer the errors that FastAPI catches; all others end at `shared.web.edge`."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response()

    async def bad_input(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return from_validation(error).response()

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        problem = from_http(error)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework names the methods of the first route at this address alone.
            allowed = [
                method
                for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
                if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in app.routes)
            ]
            problem.headers = {"Allow": ", ".join(allowed)}
        return problem.response()

    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(RequestValidationError, bad_input)
    app.add_exception_handler(HTTPException, framework)


PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details. `code` is stable; `detail` is for humans.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def refuses(codes: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Document what a route refuses: status -> its codes in words. For the `responses` of a route."""
    return {
        status: {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, description in codes.items()
    }
