"""The cookie in which a browser keeps the token of its session."""

from typing import Final

from fastapi import Request, Response

from shared.settings import Settings, portal_of

SESSION: Final = "lockbox_session"
# A browser takes a cookie of this prefix only from the host itself, over TLS, for the whole site (RFC 6265bis, 4.1.3.2):
# a neighbouring host cannot plant one.
_HOST: Final = "__Host-"


def is_secure(settings: Settings) -> bool:
    """Say whether people reach the portal over TLS."""
    return portal_of(settings).startswith("https://")


def cookie_name(name: str, settings: Settings) -> str:
    """Give a cookie's name as browsers know it."""
    return f"{_HOST}{name}" if is_secure(settings) else name


def set_cookie(response: Response, settings: Settings, name: str, value: str, max_age: int) -> None:
    """Give a browser a cookie that no script reads and no other site's form brings along; `max_age` is in seconds."""
    response.set_cookie(
        cookie_name(name, settings),
        value,
        max_age=max_age,
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response, settings: Settings, name: str) -> None:
    """Have a browser forget a cookie."""
    response.delete_cookie(
        cookie_name(name, settings), path="/", secure=is_secure(settings), httponly=True, samesite="lax"
    )


def cookie_of(request: Request, settings: Settings, name: str) -> str | None:
    """Read a cookie; None where the browser sent none."""
    return request.cookies.get(cookie_name(name, settings)) or None


def set_session(response: Response, settings: Settings, token: str, max_age: int) -> None:
    """Give a browser its session's token, for `max_age` seconds."""
    set_cookie(response, settings, SESSION, token, max_age)


def session_of(request: Request, settings: Settings) -> str | None:
    """Read the token of a browser's session; whether it still counts is judged where it is used."""
    return cookie_of(request, settings, SESSION)


def clear_session(response: Response, settings: Settings) -> None:
    """Have a browser forget its session."""
    clear_cookie(response, settings, SESSION)
