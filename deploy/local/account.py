"""Whom a server runs as, and where its files are when that account can't enter the data folder."""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Where a server's files go when the account can't reach the data folder: its parents are never opened for others.
ELSEWHERE = Path("/var/lib/openlockbox")
SEARCH_BY_OTHERS = 0o001


@dataclass(frozen=True)
class Account:
    """A user of this machine, by number."""

    name: str
    uid: int
    gid: int


def unprivileged(names: Iterable[str]) -> Account | None:
    """Give the first of these users that exists where we are root, and None, for ourselves, where we are not.

    Raises LookupError where we are root and none exists.
    """
    if os.geteuid() != 0:
        return None
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise LookupError(f"none of these users exists: {', '.join(names)}")


def make_home(wanted: Path, account: Account | None) -> Path:
    """Make a folder that the account alone can use and give its path: the wanted one, or one elsewhere that is kept.

    Where a parent of the wanted folder is closed to the account, the folder becomes root's own and holds
    a file `elsewhere` with the path of the real one.
    """
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is None:
        return wanted
    home, note = wanted, wanted / "elsewhere"
    if note.exists():
        home = Path(note.read_text(encoding="utf-8").strip())
    elif not all(parent.stat().st_mode & SEARCH_BY_OTHERS for parent in wanted.resolve().parents):
        home = ELSEWHERE / secrets.token_hex(6)
        note.write_text(f"{home}\n", encoding="utf-8")
    if home != wanted:
        ELSEWHERE.mkdir(mode=0o711, parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, account.uid, account.gid)
    home.chmod(0o700)
    return home


def own(path: Path, account: Account | None) -> None:
    """Give a file or folder to the account."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def write_private(path: Path, text: str, account: Account | None = None, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, never readable by others in between."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    own(fresh, account)
    fresh.replace(path)
