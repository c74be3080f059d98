"""The body of a call, checked before anything else reads it: its kind, its JSON, and the characters in its texts."""

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from shared.web.fields import whole_text
from shared.web.problems import Problem, invalid

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = "application/x-www-form-urlencoded"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class _Repeated(ValueError):
    """A name stands twice in one object: readers would disagree on which one counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Repeated(next(name for name in names if names.count(name) > 1))
    return found


def _number(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError("a number is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)


def _malformed(detail: str) -> Problem:
    return Problem(400, "malformed_json", detail)


def _check_texts(value: object, path: str) -> None:
    if isinstance(value, str):
        try:
            whole_text(value)
        except ValueError as error:
            raise invalid((path or "body", str(error))) from None
    elif isinstance(value, list):
        for position, entry in enumerate(value):
            _check_texts(entry, f"{path}.{position}" if path else str(position))
    elif isinstance(value, dict):
        for name, entry in value.items():
            here = f"{path}.{name}" if path else name
            printable = here.encode("ascii", "backslashreplace").decode().replace("\0", "\\u0000")
            _check_texts(name, printable)
            _check_texts(entry, here)


def parse_json(body: bytes) -> Any:
    """Read a body as strict JSON (RFC 8259): UTF-8, no name twice in an object, no NaN or Infinity.

    Raises Problem: 400 `malformed_json`, which says where; 422 for a text that cannot be stored, naming the field.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise _malformed("The body is nested too deeply.") from None
    except _Repeated as error:
        raise _malformed(f"The body names {json.dumps(str(error)[:100])} twice in one object.") from None
    except ValueError as error:
        # The texts are our own, but for a whole number of thousands of digits.
        said = str(error) if "integer string" not in str(error) else "a whole number is too long"
        raise _malformed(f"The body is not JSON: {said}.") from None
    # Unescaped control characters are no JSON, and UTF-8 has no surrogates: only an escape can bring in either.
    if b"\\u" in body:
        _check_texts(value, "")
    return value


class _ReadRequest(Request):
    """A request whose JSON has been read."""

    parsed: Any = None

    async def json(self) -> Any:
        return self.parsed


def takes_form(endpoint: _Endpoint) -> _Endpoint:
    """Mark an endpoint whose body is a form (OAuth 2 demands that); it reads it with `form_fields`."""
    endpoint.takes_form = True  # type: ignore[attr-defined]  # A function carries what is noted on it.
    return endpoint


async def form_fields(request: Request) -> dict[str, str]:
    """Read a form-encoded body; the last one counts where a name is repeated never arises: that is 422.

    Raises Problem 415 for another content type, 422 for a repeated field or a text that cannot be stored.
    """
    if _kind(request) != _FORM:
        raise Problem(415, "unsupported_media_type", f"Send the body as {_FORM}.")
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise invalid(("body", "must be form-encoded UTF-8 with at most 20 fields")) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise invalid(("body", "must not contain a field twice"))
    _check_texts(fields, "")
    return fields


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class Route(APIRoute):
    """A route that reads only JSON, strictly, and refuses a body that it does not take."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler with the reading of the body."""
        handle = super().get_route_handler()
        if getattr(self.endpoint, "takes_form", False):
            return handle
        takes_body = self.body_field is not None

        async def read_first(request: Request) -> Response:
            if request.method in _BODILESS:
                return await handle(request)
            body = await request.body()
            if not body:
                return await handle(request)
            kind = _kind(request)
            if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
                raise Problem(415, "unsupported_media_type", "Send the body with Content-Type: application/json.")
            parsed = parse_json(body)
            if takes_body:
                # The body has been received above and is kept by the request; nothing is received a second time.
                read = _ReadRequest(request.scope, request.receive)
                read._body = body  # noqa: SLF001
                read.parsed = parsed
                return await handle(read)
            if parsed not in ({}, None):
                raise invalid(("body", "is not taken here: leave it out"))
            return await handle(request)

        return read_first


class Router(APIRouter):
    """The router on which a service declares its routes; `make_app` takes no other."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=Route, generate_unique_id_function=lambda route: route.name, **options)
