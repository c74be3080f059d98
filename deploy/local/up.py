"""`lockbox up`: servers, set-up, services, ready; then supervision until the end, which leaves no process behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import httpx
import psutil

from deploy.local.choices import PORTS, Choices
from deploy.local.postgres import Postgres
from deploy.local.process import Process, StartError, end, marked
from deploy.local.provisioning import Provisioning
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.rabbitmq_docker import IMAGE, RabbitMQContainer, can_run
from deploy.local.services import SERVICES, demo_process, environment, is_ready, mail_process, service_process
from deploy.local.state import DataFolder, InUseError, is_free
from deploy.local.supervisor import Supervisor

READY_SECONDS = 120
# A service that ends this often before it was ever ready will not get there by itself.
HOPELESS_RESTARTS = 3
T = TypeVar("T")

# The demo's people are made beside the start of the broker, which they do not need.
NO_BROKER = "amqp://127.0.0.1:1/none"


class System:
    """One local system on its data folder, from nothing to ready and back."""

    def __init__(self, choices: Choices, folder: DataFolder, provisioning: Provisioning) -> None:
        self._choices = choices
        self._folder = folder
        self._provisioning = provisioning
        self._supervisor = Supervisor(say, self._write_state)
        self._ready = False
        self._database_url = choices.database_url or ""
        self._amqp_url = choices.amqp_url or ""
        self._processes: dict[str, Process] = {}

    @property
    def state(self) -> dict[str, Any]:
        """What `--json` prints and `state.json` holds."""
        choices = self._choices
        state = {
            "ready": self._ready,
            **{name: choices.url(name) for name in PORTS},
            "amqp": self._amqp_url,
            "database": self._database_url,
            "pids": self._supervisor.pids,
        }
        if choices.demo:
            state["demo"] = {"password": self._demo_password(), "gate_secret": self._folder.secret("gate_secret")}
        return state

    async def start(self) -> None:
        """Bring everything up in order; raise StartError with what did not come and its last log lines."""
        await asyncio.to_thread(self._end_leftovers)
        self._check_ports()
        demo = self._is_demo()
        self._write_state()
        databases, brokers = await _both(self._bring_database(demo=demo), self._bring_broker())
        say("starting the services")
        for service in SERVICES:
            env = self._environment(service, databases[service], brokers[service], demo=demo)
            self._processes[service] = service_process(service, self._choices, self._folder, env)
        self._processes["mail"] = mail_process(self._choices, self._folder)
        await self._supervisor.start(*self._processes.values())
        await self._wait_until_ready()
        self._ready = True
        self._write_state()

    async def stop(self) -> None:
        """End services, then mail and servers; whatever else carries our mark ends last."""
        self._ready = False
        await self._supervisor.stop(SERVICES)
        await self._supervisor.stop_all()
        await asyncio.to_thread(lambda: end(marked(self._folder.mark), signal.SIGTERM))
        self._write_state()

    def hurry(self) -> None:
        """End everything at once: a second Ctrl-C."""
        say("ending everything at once")
        self._supervisor.let_go()
        for process in marked(self._folder.mark):
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _write_state(self) -> None:
        self._folder.write_state(self.state)

    def _end_leftovers(self) -> None:
        if leftovers := marked(self._folder.mark):
            say(f"ending {len(leftovers)} processes that a killed `lockbox up` left behind")
            end(leftovers, signal.SIGTERM)

    def _check_ports(self) -> None:
        for name in PORTS:
            port = self._choices.port(name)
            if not is_free(port):
                raise StartError(f"port {port} ({name}) is taken: choose other ports with --port-base")

    def _is_demo(self) -> bool:
        """Tell whether this is a demo: once a folder was one, people with known passwords are in it."""
        was_demo = bool(self._folder.kept("demo"))
        if was_demo and not self._choices.demo:
            say("this data folder holds a demo: its pages go on saying so")
        return was_demo or self._choices.demo

    def _demo_password(self) -> str:
        return self._choices.demo_password or self._folder.secret("demo_password")

    async def _bring_database(self, *, demo: bool) -> dict[str, str]:
        """Start PostgreSQL where none was named, set it up, and make the demo's people in it."""
        if not self._choices.database_url:
            say("starting PostgreSQL")
            postgres = Postgres(self._folder)
            await self._supervisor.start(postgres)
            self._database_url = postgres.url
        urls = await self._provisioning.databases(self._database_url)
        if self._choices.demo:
            await self._make_demo(self._environment("approval", urls["approval"], NO_BROKER, demo=demo))
        return urls

    async def _bring_broker(self) -> dict[str, str]:
        """Start RabbitMQ where none was named, and set it up."""
        management_url = self._choices.management_url or ""
        if not self._choices.amqp_url:
            say("starting RabbitMQ")
            broker = await self._broker()
            await self._supervisor.start(broker)
            self._amqp_url, management_url = broker.amqp_url, broker.management_url
        return await self._provisioning.brokers(self._amqp_url, management_url)

    async def _broker(self) -> RabbitMQ | RabbitMQContainer:
        root = self._choices.rabbitmq_root
        if root is None and await can_run(IMAGE, say):
            return RabbitMQContainer(self._folder)
        return RabbitMQ(self._folder, say, root)

    def _environment(self, service: str, database_url: str, amqp_url: str, *, demo: bool) -> dict[str, str]:
        return environment(
            service, self._choices, self._folder, database_url=database_url, amqp_url=amqp_url, demo=demo
        )

    async def _make_demo(self, env: dict[str, str]) -> None:
        say("making the demo's people and tenants")
        process = demo_process(self._choices, self._folder, env, self._demo_password())
        await process.start()
        try:
            if await process.wait() != 0:
                raise process.failure("failed")
        finally:
            await process.stop()
        self._folder.once("demo", lambda: True)

    async def _wait_until_ready(self) -> None:
        waiting = list(PORTS)
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            for _ in range(READY_SECONDS * 5):
                answers = await asyncio.gather(*(is_ready(client, self._choices.url(name)) for name in waiting))
                waiting = [name for name, ready in zip(waiting, answers, strict=True) if not ready]
                if not waiting:
                    return
                for name in waiting:
                    if self._supervisor.restarts.get(name, 0) >= HOPELESS_RESTARTS:
                        raise self._processes[name].failure("ended again and again")
                await asyncio.sleep(0.2)
        late = "\n".join(str(self._processes[name].failure("is not ready")) for name in waiting)
        raise StartError(f"no readiness within {READY_SECONDS} s\n{late}")


def run(choices: Choices, *, as_json: bool, provisioning: type[Provisioning] = Provisioning) -> int:
    """Keep a system running until SIGTERM or Ctrl-C, and give the exit code."""
    try:
        folder = DataFolder(choices.data)
        folder.lock()
    except (InUseError, OSError) as error:
        say(str(error))
        return 1
    return asyncio.run(_run(System(choices, folder, provisioning(folder)), as_json=as_json))


async def _run(system: System, *, as_json: bool) -> int:
    told = asyncio.Event()

    def stop() -> None:
        if told.is_set():
            system.hurry()
        told.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    starting = asyncio.create_task(system.start())
    ending = asyncio.create_task(told.wait())
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _tell_ready(system.state, as_json=as_json)
            await ending
    except StartError as error:
        say(str(error))
        return 1
    finally:
        starting.cancel()
        ending.cancel()
        await asyncio.gather(starting, ending, return_exceptions=True)
        say("stopping")
        await system.stop()
    return 0


async def _both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, T]) -> tuple[T, T]:
    """Do both side by side; where one fails, raise its error once the other has come to its end too."""
    outcomes = await asyncio.gather(one, other, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return cast("tuple[T, T]", tuple(outcomes))


def _tell_ready(state: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(state), flush=True)
        return
    say(f"ready: portal {state['approval']}, mails {state['mail']}, log {state['audit']}; Ctrl-C ends it")
    if demo := state.get("demo"):
        say(f"this is a demo: everybody's password is {demo['password']} (for example dpo@contoso.example)")


def say(text: str) -> None:
    """Tell the person at the terminal; standard output stays free for --json."""
    print(f"lockbox: {text}", file=sys.stderr, flush=True)
