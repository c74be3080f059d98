"""RabbitMQ in a container of one's own, where a Docker engine answers: its ports on the loopback, its data in a volume."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Callable

import httpx

from deploy.local.account import write_private
from deploy.local.process import Process, StartError
from deploy.local.state import DataFolder

IMAGE = "rabbitmq:4-management"
START_SECONDS = 90
PULL_SECONDS = 300
VIRTUAL_HOST = "lockbox"


class RabbitMQContainer:
    """One container, run in the foreground by the Docker client, which is the child that is supervised."""

    name = "rabbitmq"

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._password = folder.secret("rabbitmq_password")
        self._container: str = folder.once("rabbitmq_container", lambda: f"openlockbox-{secrets.token_hex(6)}")
        self._ports = {"amqp": 0, "management": 0}
        self._client: Process | None = None

    @property
    def amqp_url(self) -> str:
        """The administrator's address of the virtual host."""
        return f"amqp://admin:{self._password}@127.0.0.1:{self._ports['amqp']}/{VIRTUAL_HOST}"

    @property
    def management_url(self) -> str:
        return f"http://admin:{self._password}@127.0.0.1:{self._ports['management']}"

    @property
    def pid(self) -> int | None:
        return self._client.pid if self._client else None

    async def start(self) -> None:
        """Start the container and return when it takes connections; end one that a killed supervisor left."""
        await run_docker("rm", "--force", self._container)
        for name in self._ports:
            self._ports[name] = self._folder.port(name)
        settings = self._folder.path / "rabbitmq.env"
        login = {"USER": "admin", "PASS": self._password, "VHOST": VIRTUAL_HOST}
        write_private(settings, "".join(f"RABBITMQ_DEFAULT_{name}={value}\n" for name, value in login.items()))
        self._client = Process(
            self.name,
            [
                *("docker", "run", "--rm", "--name", self._container, "--env-file", str(settings)),
                # The node's data are named after its host.
                *("--hostname", "lockbox", "--volume", f"{self._container}:/var/lib/rabbitmq"),
                *("--publish", f"127.0.0.1:{self._ports['amqp']}:5672"),
                *("--publish", f"127.0.0.1:{self._ports['management']}:15672"),
                IMAGE,
            ],
            env=self._folder.environment(),
            log=self._folder.log(self.name),
        )
        await self._client.start()
        await self._takes_connections(self._client)

    async def wait(self) -> int:
        if self._client is None:
            raise StartError("rabbitmq was never started")
        return await self._client.wait()

    async def stop(self) -> None:
        if self._client is not None:
            await run_docker("stop", "--time", "10", self._container)
            await self._client.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def _takes_connections(self, client: Process) -> None:
        check = f"{self.management_url}/api/health/checks/port-listener/5672"
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            for _ in range(START_SECONDS * 5):
                if not client.running:
                    raise client.failure("ended while it started")
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(check)).is_success:
                        return
                await asyncio.sleep(0.2)
        await self.stop()
        raise client.failure(f"did not answer within {START_SECONDS} s")


async def can_run(image: str, say: Callable[[str], None]) -> bool:
    """Tell whether a Docker engine answers and has the image, or gets it now."""
    if shutil.which("docker") is None or await run_docker("version", seconds=5) != 0:
        return False
    if await run_docker("image", "inspect", image) == 0:
        return True
    say(f"getting the image {image}")
    return await run_docker("pull", "--quiet", image, seconds=PULL_SECONDS) == 0


async def run_docker(*arguments: str, seconds: float = 30) -> int:
    process = await asyncio.create_subprocess_exec(
        "docker",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        process.kill()
        return await process.wait()
