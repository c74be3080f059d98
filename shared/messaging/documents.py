"""The exchange as an AsyncAPI 3.0 document: FastStream describes the broker, the catalogue what stands in each message."""

from typing import Any, Literal

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange
from faststream.specification import AsyncAPI
from pydantic import BaseModel, Field, create_model

from shared.events.catalogue import CATALOGUE, SERVICES, Kind
from shared.events.envelope import CONTENT_TYPE
from shared.messaging.subscriptions import CONSUMES
from shared.messaging.topology import EXCHANGE, VIRTUAL_HOST

_PERSISTENT = 2


class CloudEvent(BaseModel):
    """What every event carries around its data: CloudEvents 1.0, structured JSON, one line of UTF-8."""

    specversion: Literal["1.0"]
    id: str = Field(description="UUIDv7; the same for every copy of the event")
    source: str = Field(description="/services/ and the owner's name")
    type: str
    subject: str = Field(description="the request's, member's, tenant's or client's id")
    time: str = Field(description="RFC 3339 in UTC with microseconds")
    datacontenttype: Literal["application/json"]
    tenantid: str = Field(description="the tenant whose log this stands in, or `provider`")
    actorid: str = Field(description="who did it: a member's, client's or service's id")
    actortype: Literal["engineer", "manager", "operator", "member", "client", "service"]
    sequence: str = Field(pattern="^[0-9]{20}$", description="from 1, without a gap for each source and tenant")
    salt: str = Field(
        pattern="^[0-9a-f]{32}$", description="128 random bits: nobody guesses an erased payload from its hash"
    )
    correlationid: str | None = Field(default=None, description="the request's id")
    causationid: str | None = Field(default=None, description="the event that this one answers")
    traceparent: str | None = None


def asyncapi() -> dict[str, Any]:
    """Describe every event type as a channel of the exchange: its owner, its consumers, its envelope with its data."""
    broker = RabbitBroker(f"amqp://localhost:5672/{VIRTUAL_HOST}", logger=None)
    exchange = RabbitExchange(EXCHANGE, type=ExchangeType.TOPIC)
    for kind in CATALOGUE.values():
        broker.publisher(
            exchange=exchange, routing_key=kind.type, title=kind.type, description=_said(kind), schema=_message(kind)
        )
    document: dict[str, Any] = (
        AsyncAPI(
            broker,
            title="Lockbox events",
            version="1",
            schema_version="3.0.0",
            description=(
                "Events are published to the topic exchange lockbox.events with their type as routing key, by their owner alone, "
                "persistently and with a validated user_id. A CC or BCC header makes a message refused."
            ),
        )
        .to_specification()
        .to_jsonable()
    )
    document["defaultContentType"] = CONTENT_TYPE
    for operation in document["operations"].values():
        binding = operation["bindings"]["amqp"]
        # FastStream writes the routing key down as a carbon copy; here a carbon copy is what is refused.
        del binding["cc"]
        binding["deliveryMode"] = _PERSISTENT
    for kind in CATALOGUE.values():
        channel = document["channels"][kind.type]
        channel["x-owner"] = kind.owner
        channel["x-consumers"] = [service for service in SERVICES if kind.type in CONSUMES[service]]
    # FastStream keeps its publishers in a set: the same document must come out of the same catalogue.
    for part in (document["channels"], document["operations"], *document["components"].values()):
        for name in sorted(part):
            part[name] = part.pop(name)
    return document


def _said(kind: Kind) -> str:
    return " ".join((kind.data.__doc__ or "").split())


def _message(kind: Kind) -> type[BaseModel]:
    return create_model(
        f"{kind.data.__name__}Event",
        __base__=CloudEvent,
        __doc__=_said(kind),
        type=(str, Field(json_schema_extra={"const": kind.type})),
        data=(kind.data, ...),
    )
