"""The broker's topology: one exchange, a queue and a user for each service, declared by one step and then only checked.

The last thing declared is an exchange named after the hash of the whole: a relay that does not find it sends nothing, so a
missing queue or binding cannot swallow events.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx
from faststream.rabbit import ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.schemas.queue import QuorumQueueArgs

from shared.events.catalogue import SERVICES, owned_by
from shared.messaging.subscriptions import CONTROL_PREFIX, routing_keys

EXCHANGE = "lockbox.events"
VIRTUAL_HOST = "lockbox"
_AUDIT_EXCHANGE = "lockbox.audit"
# From 4.0 on a quorum queue has a limit of 20 deliveries unless told otherwise; before, none, and -1 was no valid value.
_FIRST_WITH_DEFAULT_LIMIT = 4


class TopologyRefused(RuntimeError):
    """The broker did not take a part of the topology; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a service's RabbitMQ user may do, as RabbitMQ's regular expressions."""

    configure: str
    write: str
    read: str
    types: str


def queue_name(service: str) -> str:
    return f"lockbox.in.{service}"


def rights(service: str) -> Rights:
    """Return a user's rights: write the one exchange, only its own types; read its own queue; configure nothing."""
    exchanges = [EXCHANGE, _AUDIT_EXCHANGE] if service == "audit" else [EXCHANGE]
    own = [*owned_by(service), CONTROL_PREFIX + service]
    return Rights(configure="^$", write=_one_of(exchanges), read=_one_of([queue_name(service)]), types=_one_of(own))


def _one_of(names: list[str]) -> str:
    return "^(" + "|".join(re.escape(name) for name in names) + ")$"


def description() -> dict[str, Any]:
    """Describe the whole topology, independent of the broker's version: what the hash is of."""
    return {
        "exchange": {"name": EXCHANGE, "type": "topic", "durable": True},
        "queues": {
            queue_name(service): {
                "type": "quorum",
                "durable": True,
                "single_active_consumer": True,
                "delivery_limit": None,
                "bindings": routing_keys(service),
            }
            for service in SERVICES
        },
    }


def hash_exchange() -> str:
    """Return the name of the exchange that proves that this very topology was declared."""
    canonical = json.dumps(description(), sort_keys=True, separators=(",", ":"))
    return "lockbox.topology." + hashlib.sha256(canonical.encode()).hexdigest()[:32]


def url_with(url: str, *, user: str, password: str, virtual_host: str) -> str:
    """Return the broker's address for another user and virtual host."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"
    return urlunsplit((parts.scheme, netloc, f"/{quote(virtual_host, safe='')}", parts.query, ""))


def definitions() -> dict[str, Any]:
    """Return the whole as a RabbitMQ (4.x) definitions file, for those who set their broker up themselves.

    The users stand there without a password, and so cannot log in before an administrator has given each one.
    """
    host = {"vhost": VIRTUAL_HOST}
    arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True, "x-delivery-limit": -1}
    exchange = {**host, "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    may = {service: rights(service) for service in SERVICES}
    return {
        "vhosts": [{"name": VIRTUAL_HOST}],
        "users": [{"name": service, "password_hash": "", "tags": []} for service in SERVICES],
        "permissions": [
            {"user": name, **host, "configure": one.configure, "write": one.write, "read": one.read}
            for name, one in may.items()
        ],
        "topic_permissions": [
            {"user": name, **host, "exchange": EXCHANGE, "write": one.types, "read": "^$"} for name, one in may.items()
        ],
        "exchanges": [
            {"name": EXCHANGE, "type": "topic", **exchange},
            {"name": hash_exchange(), "type": "fanout", **exchange},
        ],
        "queues": [
            {"name": queue_name(service), **host, "durable": True, "auto_delete": False, "arguments": arguments}
            for service in SERVICES
        ],
        "bindings": [
            {
                **host,
                "source": EXCHANGE,
                "destination": queue_name(service),
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for service in SERVICES
            for key in routing_keys(service)
        ],
    }


async def provision_broker(
    amqp_url: str, management_url: str, passwords: dict[str, str], *, virtual_host: str = VIRTUAL_HOST
) -> dict[str, str]:
    """Declare virtual host, users, rights, exchange, queues and bindings; return each service's own address. Idempotent.

    `amqp_url` and `management_url` are an administrator's. Users belong to the whole broker, so two systems on one broker
    differ by virtual host and share the users' passwords. Raises TopologyRefused.
    """
    administrator = unquote(urlsplit(amqp_url).username or "guest")
    secret = unquote(urlsplit(amqp_url).password or "guest")
    async with _management(management_url) as management:
        version = (await _call(management, "GET", "/api/overview")).json()["rabbitmq_version"]
        await _call(management, "PUT", f"/api/vhosts/{quote(virtual_host, safe='')}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        await _call(management, "PUT", _permission(virtual_host, administrator), everything)
        for service, password in passwords.items():
            may = rights(service)
            await _call(management, "PUT", f"/api/users/{service}", {"password": password, "tags": ""})
            await _call(
                management,
                "PUT",
                _permission(virtual_host, service),
                {"configure": may.configure, "write": may.write, "read": may.read},
            )
            await _call(
                management,
                "PUT",
                _permission(virtual_host, service).replace("/permissions/", "/topic-permissions/"),
                {"exchange": EXCHANGE, "write": may.types, "read": "^$"},
            )
    admin_url = url_with(amqp_url, user=administrator, password=secret, virtual_host=virtual_host)
    await declare(admin_url, major_version=int(version.split(".")[0]))
    return {
        service: url_with(amqp_url, user=service, password=password, virtual_host=virtual_host)
        for service, password in passwords.items()
    }


async def declare(admin_url: str, *, major_version: int) -> None:
    """Declare exchange, queues and bindings, and the exchange with the hash last of all."""
    arguments: QuorumQueueArgs = {"x-single-active-consumer": True}
    if major_version >= _FIRST_WITH_DEFAULT_LIMIT:
        arguments["x-delivery-limit"] = -1
    async with RabbitBroker(admin_url, logger=None) as broker:
        exchange = await broker.declare_exchange(RabbitExchange(EXCHANGE, type=ExchangeType.TOPIC, durable=True))
        for service in SERVICES:
            queue = await broker.declare_queue(
                RabbitQueue(queue_name(service), queue_type=QueueType.QUORUM, arguments=arguments)
            )
            for key in routing_keys(service):
                await queue.bind(exchange, key)
        await broker.declare_exchange(RabbitExchange(hash_exchange(), type=ExchangeType.FANOUT, durable=True))


def _permission(virtual_host: str, user: str) -> str:
    return f"/api/permissions/{quote(virtual_host, safe='')}/{quote(user, safe='')}"


def _management(url: str) -> httpx.AsyncClient:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    login = (unquote(parts.username or "guest"), unquote(parts.password or "guest"))
    return httpx.AsyncClient(base_url=f"{parts.scheme}://{place}{parts.path.rstrip('/')}", auth=login, timeout=20)


async def _call(
    management: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    response = await management.request(method, path, json=body)
    if response.is_error:
        raise TopologyRefused(
            f"RabbitMQ's management interface answered {response.status_code} to {method} {path}: {response.text[:200]}"
        )
    return response
