"""The portal as a client of the API: what a page does, it does with its visitor's own token, and can do nothing more."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import httpx
from fastapi import Request
from structlog.contextvars import get_contextvars

from shared.settings import Settings
from shared.web.idempotency import HEADER
from shared.web.problems import Problem, unavailable

_OWN: Final = "http://approval"
_SECONDS: Final = 15
# Who judges a caller's address must find it as this call came: by the connection, and by what proxies say of it.
_FORWARDED: Final = ("x-forwarded-for", "user-agent")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a change was answered: 200 or 201 with the thing, 202 with a change to be voted on, 204 with nothing."""

    status: int
    content: Any = None


class Api:
    """Calls in a visitor's name. Every refusal is raised as the Problem that it is.

    While `resumed`, nothing is changed: somebody has just signed in again, and first sees what he was about to send.
    """

    def __init__(self, request: Request, settings: Settings, token: str | None, *, language: str) -> None:
        self._request = request
        self._settings = settings
        # Whoever gets a mail by this call is written to in the language of who makes it.
        self._language = language
        self.token = token
        self.resumed = False

    async def get(self, path: str, **query: Any) -> Any:
        """Read from `approval`; a parameter that is None or empty is left out."""
        return (await self._own("GET", path, query=query)).content

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> Answer:
        return await self._own("POST", path, body, key=key)

    async def put(self, path: str, body: object = None, *, key: str | None = None) -> Answer:
        return await self._own("PUT", path, body, key=key)

    async def delete(self, path: str) -> Answer:
        return await self._own("DELETE", path)

    async def request_api(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Answer:
        """Call the provider's service, where engineers answer and withdraw."""
        return await self._call(None, self._settings.request_api_url, method, path, body, key=key)

    async def _own(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Answer:
        client = self._request.client
        address = ("127.0.0.1", 0) if client is None else (client.host, client.port)
        transport = httpx.ASGITransport(self._request.app, client=address)
        return await self._call(transport, _OWN, method, path, body, query=query, key=key)

    async def _call(
        self,
        transport: httpx.AsyncBaseTransport | None,
        base: str,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Answer:
        if self.resumed and method != "GET":
            raise Problem(409, "signed_in_again", "Nothing has been sent yet: look at it once more, and send it.")
        headers = {name: self._request.headers[name] for name in _FORWARDED if name in self._request.headers}
        headers["Accept-Language"] = self._language
        request_id = get_contextvars().get("request_id")
        if request_id is not None:
            headers["X-Request-Id"] = str(request_id)
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            headers[HEADER] = key
        asked = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        async with httpx.AsyncClient(
            transport=transport, base_url=base, verify=_tls(), trust_env=False, timeout=_SECONDS, follow_redirects=False
        ) as client:
            try:
                response = await client.request(method, path, params=asked or None, json=body, headers=headers)
            except httpx.TransportError:
                raise unavailable() from None
        return _answer(response)


@cache
def _tls() -> ssl.SSLContext:
    """Make what TLS is judged by, once: reading the system's certificates for each call would hold up all others."""
    return httpx.create_ssl_context(trust_env=False)


def _answer(response: httpx.Response) -> Answer:
    """Give the answer's JSON. Raises Problem for anything but success."""
    content: Any = None
    if response.content:
        try:
            content = response.json()
        except ValueError:
            raise unavailable() from None
    if response.is_success:
        return Answer(response.status_code, content)
    if not isinstance(content, dict) or "code" not in content:
        raise unavailable()
    known = {"type", "title", "status", "code", "detail", "errors"}
    raise Problem(
        response.status_code,
        str(content["code"]),
        str(content.get("detail", "")),
        errors=[(str(one["field"]), str(one["message"])) for one in content.get("errors", ())],
        headers={name: value for name, value in response.headers.items() if name == "retry-after"},
        **{name: value for name, value in content.items() if name not in known},
    )
