"""The five services and the mail catcher as children: what each is started with, and when it is ready."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.local.account import write_private
from deploy.local.choices import Choices, passed_on
from deploy.local.process import Process
from deploy.local.state import DataFolder

SERVICES = ("request_api", "approval", "audit", "notifier", "expiry")
# Which key a service signs with: `approval` sessions, `request_api` grant tokens.
SIGNS = {"approval": "sessions", "request_api": "grants"}
# Who writes links to the portal into mails.
LEADS_TO_PORTAL = frozenset({"approval", "notifier"})
# A service stops in order within ten seconds.
PATIENCE_SECONDS = 12.0
# Where `python -m` finds our packages, also from a checkout that is not installed.
CODE = Path(__file__).resolve().parents[2]


def environment(
    service: str, choices: Choices, folder: DataFolder, *, database_url: str, amqp_url: str, demo: bool
) -> dict[str, str]:
    """Give the whole environment of one service."""
    ours = {
        "LOCKBOX_DATABASE_URL": database_url,
        "LOCKBOX_AMQP_URL": amqp_url,
        "LOCKBOX_HOST": "127.0.0.1",
        "LOCKBOX_PORT": str(choices.port(service)),
        "LOCKBOX_REQUEST_API_URL": choices.url("request_api"),
        "LOCKBOX_APPROVAL_URL": choices.url("approval"),
        "LOCKBOX_AUDIT_URL": choices.url("audit"),
        "LOCKBOX_INTERNAL_SECRET": folder.secret("internal_secret"),
        "LOCKBOX_LOG_ORIGIN": choices.log_origin or folder.log_origin(),
        "PYTHONUNBUFFERED": "1",
    }
    if service in SIGNS:
        ours["LOCKBOX_TOKEN_KEY_FILE"] = str(key_file(folder, SIGNS[service]))
    if demo:
        ours["LOCKBOX_DEMO"] = "1"
    # What the caller sets himself counts instead.
    usual = {"LOCKBOX_SMTP_URL": f"smtp://127.0.0.1:{folder.port('smtp')}"}
    if service in LEADS_TO_PORTAL:
        # By a name: browsers bind passkeys to no IP address.
        usual["LOCKBOX_PORTAL_URL"] = f"http://localhost:{choices.port('approval')}"
    return {**folder.environment(), **usual, **passed_on(), **ours}


def service_process(service: str, choices: Choices, folder: DataFolder, env: Mapping[str, str]) -> Process:
    return Process(
        service,
        [sys.executable, "-m", f"{choices.package}.{service}"],
        env=env,
        log=folder.log(service),
        folder=CODE,
        patience=PATIENCE_SECONDS,
    )


def mail_process(choices: Choices, folder: DataFolder) -> Process:
    ports = ("--smtp-port", str(folder.port("smtp")), "--http-port", str(choices.port("mail")))
    return Process(
        "mail",
        [sys.executable, "-m", "deploy.local.mail", "--folder", str(folder.path / "mail"), *ports],
        env=folder.environment(),
        log=folder.log("mail"),
        folder=CODE,
        patience=5,
    )


def demo_process(choices: Choices, folder: DataFolder, env: Mapping[str, str], password: str) -> Process:
    """Make the process that puts the demo's people and tenants into approval's database; it ends by itself."""
    return Process(
        "demo",
        [sys.executable, "-m", f"{choices.package}.approval.demo"],
        env={**env, "LOCKBOX_DEMO_PASSWORD": password},
        log=folder.log("demo"),
        folder=CODE,
    )


async def is_ready(client: httpx.AsyncClient, url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return (await client.get(f"{url}/readyz")).status_code == httpx.codes.OK
    return False


def key_file(folder: DataFolder, name: str) -> Path:
    """Make the Ed25519 key once; later starts sign with the same one."""
    path = folder.path / "keys" / f"{name}.pem"
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    return path
