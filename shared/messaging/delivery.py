"""What every consumer checks before it believes a message: who really sent it, and that it is what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.events.catalogue import CATALOGUE
from shared.events.envelope import Event, MalformedEvent, read
from shared.messaging.subscriptions import CONTROL_PREFIX
from shared.messaging.topology import EXCHANGE


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as the broker delivered it. `user_id` is validated by the broker where it is there."""

    body: bytes
    routing_key: str
    exchange: str
    user_id: str | None
    headers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Control:
    """A service says: everything that I committed before `complete_until` has been sent and confirmed."""

    service: str
    complete_until: datetime


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message that cannot be attributed, and why."""

    delivery: Delivery
    reason: str


def check(delivery: Delivery, *, consumes: frozenset[str], listens_to: frozenset[str]) -> Event | Control | Quarantined:
    """Attribute a delivery to the owner of its type, or say why that cannot be done.

    RabbitMQ lets a user past its topic permissions with a CC or BCC header, so a message is believed only when its first routing
    key is the type in its body, the broker-validated user owns that type, and no such header is there.
    """
    if delivery.user_id is None:
        return Quarantined(delivery, "user_id is missing")
    if delivery.exchange != EXCHANGE:
        return Quarantined(delivery, f"it came through the exchange {delivery.exchange!r}")
    if any(name.upper() in ("CC", "BCC") for name in delivery.headers):
        return Quarantined(delivery, "a CC or BCC header carries other routing keys")
    if delivery.routing_key.startswith(CONTROL_PREFIX):
        return _control(delivery, listens_to)
    try:
        event = read(delivery.body)
    except MalformedEvent as error:
        return Quarantined(delivery, str(error))
    kind = CATALOGUE.get(event.type)
    if kind is None:
        return Quarantined(delivery, f"the type {event.type!r} is unknown")
    if delivery.routing_key != event.type:
        return Quarantined(delivery, f"the routing key {delivery.routing_key!r} is not the type {event.type!r}")
    if delivery.user_id != kind.owner:
        return Quarantined(delivery, f"{delivery.user_id} does not own {event.type}")
    if event.source != f"/services/{kind.owner}":
        return Quarantined(delivery, f"the source {event.source!r} is not the owner's")
    if event.type not in consumes:
        return Quarantined(delivery, f"{event.type} is not consumed here")
    return event


def _control(delivery: Delivery, listens_to: frozenset[str]) -> Control | Quarantined:
    service = delivery.routing_key.removeprefix(CONTROL_PREFIX)
    if service not in listens_to:
        return Quarantined(delivery, f"nobody here listens to the control messages of {service!r}")
    if delivery.user_id != service:
        return Quarantined(delivery, f"{delivery.user_id} does not speak for {service}")
    try:
        body = orjson.loads(delivery.body)
        moment = datetime.fromisoformat(body["complete_until"])
        if body["service"] != service or moment.tzinfo is None:
            return Quarantined(delivery, "the control message names another service, or a time without an offset")
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return Quarantined(delivery, "a control message that cannot be read")
    return Control(service, moment)
