"""Chromium for the browser tests: the system's, brought by apt where it is missing and we are root; else a reason to skip.

`make test` asks for it before the tests run (`python -m tests.browser.chromium`), so that no test waits for an installation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import filelock
from playwright._impl._driver import compute_driver_executable

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = (
    ["apt-get", "-qq", "update"],
    [
        *("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"),
        # A page without any font has no letters.
        *("chromium", "fonts-dejavu-core"),
        # Playwright's driver is a node that brings all its libraries but this one.
        "libatomic1",
    ],
)
MISSING = "Chromium is missing: install it (Debian: apt-get install chromium libatomic1) and the browser tests run"


def find_chromium(lock: Path, say: Callable[[str], None]) -> str | None:
    """Give the program's path, or None where it is missing and could not be installed."""
    with filelock.FileLock(lock):
        found = _found()
        if not (found and _driven()) and os.geteuid() == 0 and shutil.which("apt-get"):
            say("Chromium, or what drives it, is missing: installing Debian's packages with apt-get")
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            for command in INSTALL:
                subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL)
            found = _found()
        return found if _driven() else None


def _driven() -> bool:
    """Say whether Playwright's driver runs here."""
    driver, script = compute_driver_executable()
    return subprocess.run([driver, script, "--version"], check=False, capture_output=True).returncode == 0


def _found() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


if __name__ == "__main__":
    if (
        find_chromium(
            Path(tempfile.gettempdir()) / "lockbox-chromium.lock", lambda words: print(words, file=sys.stderr)
        )
        is None
    ):
        print(f"{MISSING}; without it they are skipped", file=sys.stderr)
