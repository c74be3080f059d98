"""Whom a command speaks for, and where: a file for each profile, and its session in another, for its owner alone."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import typer

from lockbox.cli.terminal import USAGE, refuse
from lockbox.client.addresses import Addresses
from lockbox.client.errors import Unauthorized
from lockbox.client.formats import format_instant, parse_instant

# Not `LOCKBOX_`: these are the servers' settings, which refuse names that they do not know.
FOLDER_VARIABLE: Final = "OPENLOCKBOX_CONFIG_DIR"
PROFILE_VARIABLE: Final = "OPENLOCKBOX_PROFILE"
DEFAULT: Final = "default"
OWNER_ALONE: Final = 0o600
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Profile:
    """Where a system's services answer, and as whom one signs in there."""

    request_api: str | None = None
    approval: str | None = None
    audit: str | None = None
    realm: str | None = None
    email: str | None = None
    ca_file: str | None = None
    plain_http: bool = False

    @property
    def addresses(self) -> Addresses:
        """The services' addresses; where none is named, those of a `lockbox up` on this machine."""
        if self.request_api is None and self.approval is None and self.audit is None:
            return Addresses.local()
        return Addresses(self.request_api, self.approval, self.audit, self.plain_http)


@dataclass(frozen=True)
class Kept:
    """A session as it is kept: never in a repr."""

    access_token: str
    expires_at: datetime
    realm: str | None
    email: str | None

    def __repr__(self) -> str:
        return f"Kept({self.email} of {self.realm})"


def folder() -> Path:
    """Give the folder of the profiles and the sessions."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(typer.get_app_dir("openlockbox", roaming=False))


def checked(name: str) -> str:
    """Give a profile's name. Wrong usage where it cannot be a file's."""
    if _NAME.fullmatch(name) is None:
        refuse(f"a profile's name has letters, digits, dots, hyphens and underscores, at most 64: not {name!r}", USAGE)
    return name


def names() -> list[str]:
    """List the profiles."""
    return sorted(path.stem for path in (folder() / "profiles").glob("*.json"))


def load(name: str) -> Profile:
    """Give a profile; one that nobody has made is empty."""
    path = _profile_path(name)
    try:
        found = _object(path, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Profile()
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{path} cannot be read ({error}): correct or remove it")
    given = {one.name: found.get(one.name) for one in fields(Profile)}
    plain_http = given.pop("plain_http")
    if any(not isinstance(value, str | None) for value in given.values()):
        refuse(f"{path} must hold texts: correct or remove it")
    return Profile(**given, plain_http=plain_http is True)


def save(name: str, profile: Profile) -> None:
    """Keep a profile."""
    kept = {key: value for key, value in asdict(profile).items() if value is not None}
    write_alone(_profile_path(name), json.dumps(kept, indent=2) + "\n")


def keep_session(name: str, token: str, expires_in: int, *, realm: str | None, email: str | None) -> Kept:
    """Keep a session's token, readable by its owner alone."""
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in)
    content = {"access_token": token, "expires_at": format_instant(expires_at), "realm": realm, "email": email}
    write_alone(_session_path(name), json.dumps(content) + "\n")
    return Kept(token, expires_at, realm, email)


def session(name: str) -> Kept:
    """Give a profile's session. Raises Unauthorized where there is none or its time is over."""
    path = _session_path(name)
    found = _read_alone(path)
    if found is None:
        raise Unauthorized(f"nobody is signed in with profile {name}", code="not_authenticated")
    try:
        kept = Kept(found["access_token"], parse_instant(found["expires_at"]), found.get("realm"), found.get("email"))
    except (KeyError, TypeError, ValueError):
        refuse(f"{path} is damaged: sign in again")
    if kept.expires_at <= datetime.now(UTC):
        raise Unauthorized("the session's time is over", code="session_over")
    return kept


def forget_session(name: str) -> None:
    """Remove a profile's session from this machine."""
    _session_path(name).unlink(missing_ok=True)


def with_addresses(profile: Profile, addresses: Mapping[str, str | None]) -> Profile:
    """Give a profile with other addresses: those named, and no others."""
    return replace(
        profile,
        request_api=addresses.get("request_api"),
        approval=addresses.get("approval"),
        audit=addresses.get("audit"),
    )


def write_alone(path: Path, text: str) -> None:
    """Write a file whole or not at all, that its owner alone may read from the first moment on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), OWNER_ALONE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        refuse(f"{path} cannot be written ({error.strerror}): correct its rights, or set {FOLDER_VARIABLE}")


def _profile_path(name: str) -> Path:
    return folder() / "profiles" / f"{checked(name)}.json"


def _session_path(name: str) -> Path:
    return folder() / "sessions" / f"{checked(name)}.json"


def _read_alone(path: Path) -> dict[str, Any] | None:
    """Read a file with a secret; refuse it where others could read it too, or another person made it."""
    try:
        with path.open("rb") as file:
            if sys.platform != "win32":
                facts = os.fstat(file.fileno())
                if stat.S_IMODE(facts.st_mode) & 0o077 or facts.st_uid != os.geteuid():
                    refuse(f"{path} can be read by others, so it is not used: chmod 600 it, or sign in again")
            return _object(path, file.read().decode())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{path} cannot be read ({error}): correct or remove it")


def _object(path: Path, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        refuse(f"{path} is not a JSON object: correct or remove it")
    return found
