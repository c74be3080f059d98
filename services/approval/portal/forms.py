"""What a form sent: its fields, and the proof that it was sent from a page of ours, by the visitor to whom we showed it."""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

from shared.events.envelope import new_id
from shared.security.keys import derive_key
from shared.settings import Settings, portal_of
from shared.web.fields import whole_text
from shared.web.problems import Problem, forbidden, invalid

CSRF: Final = "csrf"
KEY: Final = "key"
RESUMED: Final = "resumed"
_MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 4000
_KEY_CHARACTERS: Final = 64
# What is never kept over a sign-in, and never shown again in a form.
SECRETS: Final = frozenset({"password", "current", "new", "code", "assertion", "token", "client_secret", CSRF, RESUMED})

FOREIGN: Final = "The form was not sent from a page of the portal, or has grown too old: open the page again."


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form in their order. `resumed` says that it was kept while its sender signed in again."""

    pairs: Sequence[tuple[str, str]] = ()
    resumed: bool = False
    fresh: str = field(default_factory=new_id)

    def text(self, name: str) -> str | None:
        """Give a field without white space around it; None where it is empty or missing."""
        return next((value.strip() for one, value in self.pairs if one == name), "") or None

    def secret(self, name: str) -> str:
        """Give a field exactly as it was typed, empty where it is missing."""
        return next((value for one, value in self.pairs if one == name), "")

    def all(self, name: str) -> list[str]:
        """Give each value of a field that may stand several times (checkboxes)."""
        return [value for one, value in self.pairs if one == name]

    def has(self, name: str) -> bool:
        """Say whether a field was sent at all (a checkbox that was ticked)."""
        return any(one == name for one, _ in self.pairs)

    def shown(self, name: str, default: object = "") -> str:
        """Give what a field shows: what was typed into it, else the default. Secrets are never shown again."""
        if name in SECRETS or not self.has(name):
            return str(default)
        return self.secret(name)

    @property
    def key(self) -> str:
        """The idempotency key that the form was shown with: a double click makes one decision."""
        given = self.text(KEY)
        return (
            given if given and given.isascii() and given.isprintable() and len(given) <= _KEY_CHARACTERS else self.fresh
        )

    def kept(self) -> list[tuple[str, str]]:
        """Give what is kept while the sender signs in again: everything but secrets."""
        return [(name, value) for name, value in self.pairs if name not in SECRETS]


def parse(body: bytes) -> Form:
    """Read a form's body. Raises Problem 422."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        sound = [(whole_text(name), whole_text(value.replace("\r\n", "\n"))) for name, value in pairs]
    except ValueError:
        raise invalid(("form", "must be form-encoded UTF-8")) from None
    return Form(sound, resumed=any(name == RESUMED for name, _ in sound))


async def read_form(request: Request) -> Form:
    """Read the form of a call. Raises Problem 415 and 422."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _MEDIA_TYPE:
        raise Problem(415, "unsupported_media_type", f"Send the form as {_MEDIA_TYPE}.")
    return parse(await request.body())


def csrf_token(settings: Settings, holder: str) -> str:
    """Make the token of a holder's forms: his session, or his visit before there is one."""
    key = derive_key(settings.internal_secret.get_secret_value(), "portal forms")
    return hmac.new(key, sha256(holder.encode()).digest(), "sha256").hexdigest()


def check_origin(request: Request, settings: Settings) -> None:
    """Refuse a form that another site sent. Browsers say where it comes from in headers that no script can change.

    Raises Problem 403. A program that says nothing of it still has to show the form's token.
    """
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin"):
        raise forbidden(FOREIGN, "foreign_form")
    origin = request.headers.get("origin")
    if origin is None:
        return
    own = urlsplit(portal_of(settings))
    given = urlsplit(origin)
    if given.netloc not in (own.netloc, request.headers.get("host", "")) or given.scheme not in ("http", "https"):
        raise forbidden(FOREIGN, "foreign_form")


def check_token(form: Form, settings: Settings, holder: str) -> None:
    """Refuse a form that was not made for this holder. Raises Problem 403."""
    given = form.secret(CSRF).encode("utf-8", "replace")
    if not hmac.compare_digest(given, csrf_token(settings, holder).encode()):
        raise forbidden(FOREIGN, "foreign_form")


def local_path(given: str | None, default: str = "/") -> str:
    """Give the path of this site that a link asks to go on to; anything that could lead elsewhere gives the default."""
    if not given or not given.startswith("/") or given.startswith(("//", "/\\")) or "\\" in given:
        return default
    if not given.isascii() or not given.isprintable() or " " in given:
        return default
    parts = urlsplit(given)
    return given if not parts.scheme and not parts.netloc else default


def hidden(pairs: Iterable[tuple[str, str]], without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Give fields to be carried along unseen."""
    left_out = set(without)
    return [(name, value) for name, value in pairs if name not in left_out]
