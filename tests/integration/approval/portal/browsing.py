"""A browser without a screen: it keeps cookies, follows forms, and says of them what browsers say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx

from services.approval.portal.cookies import SESSION
from tests.integration.approval.system import Approval

ORIGIN = "http://approval"


@dataclass
class ShownForm:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[dict[str, str]] = field(default_factory=list)

    def value(self, name: str) -> str:
        return next(value for one, value in self.fields if one == name)


class _Forms(HTMLParser):
    """Reads a page's forms as a browser would send them untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[ShownForm] = []
        self._area: str | None = None
        self._select: str | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(ShownForm(given.get("action", ""), given.get("method", "get")))
        if not self.forms:
            return
        fields = self.forms[-1].fields
        if tag == "input" and "name" in given:
            if given.get("type") not in {"checkbox", "radio"} or "checked" in given:
                fields.append((given["name"], given.get("value", "on")))
        elif tag == "textarea":
            self._area, self._text = given["name"], ""
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and self._select and ("selected" in given or self._select not in dict(fields)):
            fields[:] = [pair for pair in fields if pair[0] != self._select] + [(self._select, given.get("value", ""))]
        elif tag == "button":
            self.forms[-1].buttons.append(given)

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            self.forms[-1].fields.append((self._area, self._text.removeprefix("\n")))
            self._area = None
        elif tag == "select":
            self._select = None


def forms_of(response: httpx.Response) -> list[ShownForm]:
    parser = _Forms()
    parser.feed(response.text)
    return parser.forms


def form_to(response: httpx.Response, action: str) -> ShownForm:
    """Give the form of a page that leads somewhere, by its own action or by one of its buttons."""
    for form in forms_of(response):
        if action in {form.action, *(button.get("formaction") for button in form.buttons)}:
            return form
    raise AssertionError(f"no form to {action} in {re.sub(r'<[^>]+>', ' ', response.text)[:2000]}")


class Browser:
    """Somebody's browser over the service's routes."""

    def __init__(self, approval: Approval, *, language: str = "en", base: str = ORIGIN) -> None:
        self.approval = approval
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(approval.app, client=("203.0.113.7", 1234)),
            base_url=base,
            headers={"Accept-Language": language},
        )

    async def as_(self, who: str) -> Browser:
        """Be signed in as somebody, without the work of a password."""
        # The name that the cookie jar of Python gives a host without a dot.
        self.http.cookies.set(SESSION, await self.approval.new_token(who), domain="approval.local")
        return self

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def open(self, path: str) -> httpx.Response:
        """Open a page, over redirects, and check that it is one."""
        response = await self.http.get(path, follow_redirects=True)
        assert response.status_code == 200, response.text
        return response

    async def send(
        self, form: ShownForm, action: str | None = None, *, headers: dict[str, str] | None = None, **typed: Any
    ) -> httpx.Response:
        """Send a form with what was typed into it; a list stands for checkboxes, None takes a field out."""
        pairs = [(name, value) for name, value in form.fields if name not in typed]
        for name, value in typed.items():
            if isinstance(value, list):
                pairs += [(name, one) for one in value]
            elif value is not None:
                pairs.append((name, value))
        return await self.post(action or form.action, pairs, headers=headers)

    async def post(
        self, path: str, pairs: list[tuple[str, str]], *, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        body = urlencode(pairs)
        return await self.http.post(
            path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded", **sent}
        )


def text_of(response: httpx.Response) -> str:
    """Give what a reader sees of a page, in one line."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.text, flags=re.DOTALL)
    plain = re.sub(r"<[^>]+>", " ", body)
    for name, char in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        plain = plain.replace(name, char)
    return " ".join(plain.split())
