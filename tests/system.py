"""The five services as processes of their own, on servers that a test chooses: what end-to-end and chaos tests stand on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.local.state import free_port
from shared.database.provision import provision_database
from shared.events.catalogue import SERVICES
from shared.messaging.topology import provision_broker
from tests.servers import PASSWORDS, PostgresServer, RabbitServer

DEMO_PASSWORD = "correct horse battery staple"
INTERNAL_SECRET = "the-services-own-credential-in-tests"
READY_SECONDS = 60


class NotReady(AssertionError):
    """A service did not become ready; the message holds the end of its log."""


@dataclass
class System:
    """A running system with the demo's people. `urls` and `databases` by service."""

    urls: dict[str, str]
    databases: dict[str, str]
    environments: dict[str, dict[str, str]]
    folder: Path
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, service: str) -> None:
        log = (self.folder / f"{service}.log").open("ab")
        self.processes[service] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{service}", env=self.environments[service], stdout=log, stderr=log
        )
        log.close()

    async def kill(self, service: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End one service, by default with -9."""
        process = self.processes.pop(service)
        with suppress(ProcessLookupError):
            process.send_signal(how)
        await process.wait()

    def tell_errors(self) -> None:
        """Print what the services logged as errors: the folder with their logs goes with the test."""
        for service in SERVICES:
            log = self.folder / f"{service}.log"
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            errors = [line for line in lines if '"level": "error"' in line or '"level":"error"' in line]
            for line in errors[-20:]:
                print(f"{service}: {line[-4000:]}")

    async def ready(self, *services: str) -> None:
        """Wait until services (all of them, unless named) can serve. Raises NotReady."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            for service in services or SERVICES:
                said = ""
                for _ in range(READY_SECONDS * 10):
                    with suppress(httpx.HTTPError):
                        answer = await http.get(f"{self.urls[service]}/readyz")
                        said = answer.text
                        if answer.is_success:
                            break
                    if self.processes[service].returncode is not None:
                        raise NotReady(f"{service} ended\n{self.log(service)}")
                    await asyncio.sleep(0.1)
                else:
                    raise NotReady(f"{service}: {said}\n{self.log(service)}")

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")[-4000:]

    async def person(self, email: str) -> Person:
        """Sign one of the demo's people in."""
        domain = email.partition("@")[2].removesuffix(".example")
        body = {"realm": domain, "email": email, "password": DEMO_PASSWORD}
        async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
            answer = await http.post(f"{self.urls['approval']}/v1/sessions", json=body)
        assert answer.status_code == 200, answer.text
        return Person(self.urls, answer.json()["access_token"])


class Person:
    """Somebody with a session: `await eve.call("request_api", "POST", "/v1/requests", {...})`."""

    def __init__(self, urls: Mapping[str, str], token: str) -> None:
        self._urls = urls
        self.token = token
        self._http = httpx.AsyncClient(timeout=40, trust_env=False, headers={"Authorization": f"Bearer {token}"})

    async def call(
        self, service: str, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await self._http.request(method, self._urls[service] + path, json=body, headers=headers)

    def stream(
        self, service: str, method: str, path: str, body: Any = None
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Call, and read no more of the answer than is asked for."""
        return self._http.stream(method, self._urls[service] + path, json=body)

    async def does(self, service: str, method: str, path: str, body: Any = None) -> Any:
        """Do what must succeed; return the answer."""
        answer = await self.call(service, method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def awaits(self, service: str, request: str, state: str, *, seconds: float = 30) -> Any:
        """Look at a request until it is in a state; fail when it does not get there."""
        found: Any = None
        for _ in range(int(seconds * 20)):
            answer = await self.call(service, "GET", f"/v1/requests/{request}")
            found = answer.json()
            if answer.is_success and found["state"] == state:
                return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"{request} is not {state} at {service}: {found}")

    async def close(self) -> None:
        await self._http.aclose()


def asks(tenant: str = "contoso", *, duration: str = "PT2H", **changes: Any) -> dict[str, Any]:
    """Return the body of a request for Alice's mailbox."""
    return {
        "tenant": tenant,
        "service": "exchange-online",
        "ticket": "INC-1",
        "reason": {"category": "customer_support", "detail": "The mailbox does not open."},
        "resources": [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}],
        "duration": duration,
    } | changes


@asynccontextmanager
async def running_system(
    postgres: PostgresServer,
    rabbitmq: RabbitServer,
    *,
    virtual_host: str,
    smtp_url: str = "smtp://127.0.0.1:9",
    settings: Mapping[str, str] | None = None,
    amqp_through: Mapping[str, str] | None = None,
    portal_host: str | None = None,
) -> AsyncIterator[System]:
    """Set up databases and broker, start the five services, wait until all are ready; end them at the end of the block.

    `virtual_host` also names the databases. `amqp_through` gives services another address of the broker (a proxy's).
    `portal_host` is the name by which browsers reach the portal: passkeys are bound to one.
    """
    suffix = virtual_host.replace("-", "_")
    databases = {
        service: await provision_database(postgres.url, service, PASSWORDS[service], database=f"{service}_{suffix}")
        for service in SERVICES
    }
    brokers = await provision_broker(rabbitmq.amqp_url, rabbitmq.management_url, PASSWORDS, virtual_host=virtual_host)
    ports = {service: free_port() for service in SERVICES}
    urls = {service: f"http://127.0.0.1:{port}" for service, port in ports.items()}
    portal = {"LOCKBOX_PORTAL_URL": f"http://{portal_host}:{ports['approval']}"} if portal_host else {}
    with tempfile.TemporaryDirectory(prefix="lockbox-system-") as folder:
        for name in ("sessions", "grants"):
            path = Path(folder) / f"{name}.pem"
            path.touch(mode=0o600)
            key = Ed25519PrivateKey.generate()
            path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        shared = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LOCKBOX_")},
            "LOCKBOX_REQUEST_API_URL": urls["request_api"],
            "LOCKBOX_APPROVAL_URL": urls["approval"],
            "LOCKBOX_AUDIT_URL": urls["audit"],
            "LOCKBOX_INTERNAL_SECRET": INTERNAL_SECRET,
            "LOCKBOX_LOG_ORIGIN": "lockbox.test",
            "LOCKBOX_MIN_DECISION_WINDOW": "PT1S",
            "LOCKBOX_SMTP_URL": smtp_url,
            "LOCKBOX_DEMO": "1",
            **portal,
            **(settings or {}),
        }
        environments = {
            service: shared
            | {
                "LOCKBOX_PORT": str(ports[service]),
                "LOCKBOX_DATABASE_URL": databases[service],
                "LOCKBOX_AMQP_URL": (amqp_through or {}).get(service, brokers[service]),
            }
            for service in SERVICES
        }
        for service, name in (("approval", "sessions"), ("request_api", "grants")):
            environments[service]["LOCKBOX_TOKEN_KEY_FILE"] = str(Path(folder) / f"{name}.pem")
        demo = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.approval.demo",
            env=environments["approval"] | {"LOCKBOX_DEMO_PASSWORD": DEMO_PASSWORD},
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await demo.wait() == 0
        system = System(urls, databases, environments, Path(folder))
        try:
            await asyncio.gather(*(system.start(service) for service in SERVICES))
            await system.ready()
            yield system
        except BaseException:
            system.tell_errors()
            raise
        finally:
            await asyncio.gather(*(system.kill(service, signal.SIGTERM) for service in list(system.processes)))
