"""The CloudEvents 1.0 envelope. An event's bytes are made once, by its owner, and never again: they are what is hashed."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

import orjson
import uuid_utils

from shared.events.catalogue import CATALOGUE, KIND_OF
from shared.events.values import Data

# https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
CONTENT_TYPE = "application/cloudevents+json"
PROVIDER = "provider"
MAX_EVENT_BYTES = 60_000

ActorType = Literal["engineer", "manager", "operator", "member", "client", "service"]


class EventTooLarge(ValueError):
    """An event would exceed its limit. `field` is what its maker can shorten."""

    def __init__(self, field: str, size: int, limit: int = MAX_EVENT_BYTES) -> None:
        super().__init__(f"{field} makes the record {size} bytes long; at most {limit} are allowed. Shorten it.")
        self.field = field
        self.size = size


class MalformedEvent(ValueError):
    """Bytes that are not an event of this system; the message says why."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a member's, client's or service's id, and of which kind."""

    id: str
    type: ActorType


def service_actor(service: str) -> Actor:
    return Actor(service, "service")


def new_id() -> str:
    """Return a new UUIDv7: ordered by time, unique without coordination."""
    return str(uuid_utils.uuid7())


def rfc3339(moment: datetime) -> str:
    """Write an instant in UTC with microseconds, always of the same length (so that text order is time order)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that was decided and not yet written: no id, no sequence, no bytes.

    `tenant` is the log it belongs to (`provider` for the provider's own realm); `subject` the request's, member's, tenant's or
    client's id; `revision` counts the state changes of that subject in this service, from 1, and is None for what only adds.
    """

    data: Data
    tenant: str
    subject: str
    actor: Actor
    revision: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Event:
    """An event as it was published. `raw` is what is stored, hashed and exported."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    tenant: str
    actor: Actor
    sequence: int
    correlation_id: str | None
    causation_id: str | None
    payload: dict[str, Any]
    raw: bytes

    @cached_property
    def data(self) -> Any:
        """The data as its class of the catalogue."""
        return CATALOGUE[self.type].data.model_validate(self.payload)


def write(draft: Draft, *, service: str, sequence: int, time: datetime, limit: int = MAX_EVENT_BYTES) -> Event:
    """Make an event's final bytes: one line of UTF-8 JSON.

    Raises EventTooLarge when they exceed `limit`.
    """
    kind = KIND_OF[type(draft.data)]
    event_id = draft.id or new_id()
    data_json = draft.data.model_dump_json().encode()
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/services/{service}",
        "type": kind.type,
        "subject": draft.subject,
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        "tenantid": draft.tenant,
        "actorid": draft.actor.id,
        "actortype": draft.actor.type,
        "sequence": f"{sequence:020d}",
        # 128 random bits, so that nobody can guess an erased payload from its hash.
        "salt": secrets.token_hex(16),
    }
    if draft.correlation_id is not None:
        envelope["correlationid"] = draft.correlation_id
    if draft.causation_id is not None:
        envelope["causationid"] = draft.causation_id
    if draft.traceparent is not None:
        envelope["traceparent"] = draft.traceparent
    envelope["data"] = orjson.Fragment(data_json)
    raw = orjson.dumps(envelope)
    if len(raw) > limit:
        raise EventTooLarge(_to_shorten(_sizes(orjson.loads(data_json))), len(raw), limit)
    return Event(
        id=event_id,
        source=f"/services/{service}",
        type=kind.type,
        subject=draft.subject,
        time=time,
        tenant=draft.tenant,
        actor=draft.actor,
        sequence=sequence,
        correlation_id=draft.correlation_id,
        causation_id=draft.causation_id,
        payload=orjson.loads(data_json),
        raw=raw,
    )


def _sizes(data: dict[str, Any]) -> dict[str, int]:
    """Measure fields as their sender knows them: of settings and their changes each by its own name."""
    sizes: dict[str, int] = {}
    for name, value in data.items():
        within = value if name in {"settings", "changes"} and isinstance(value, dict) else {name: value}
        for field, content in within.items():
            sizes[field] = sizes.get(field, 0) + len(orjson.dumps(content))
    return sizes


def _to_shorten(sizes: dict[str, int]) -> str:
    """Name the field to shorten: the largest, but of a decision, which repeats the request's resources, its comment."""
    if sizes.get("comment", 0) > len(b"null"):
        return "comment"
    return max(sizes, key=lambda name: sizes[name])


_REQUIRED = ("id", "source", "type", "subject", "time", "tenantid", "actorid", "actortype", "sequence", "salt")
_ACTOR_TYPES = frozenset({"engineer", "manager", "operator", "member", "client", "service"})
_SEQUENCE_DIGITS = 20
_UUID_LENGTH = 36


def read(raw: bytes) -> Event:
    """Read an event's bytes.

    Raises MalformedEvent for anything that is not one line of JSON with the attributes of the contract. Unknown attributes
    are passed over; the data is not judged here, only that it is an object.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedEvent(f"not JSON: {error}") from None
    if not isinstance(body, dict) or body.get("specversion") != "1.0":
        raise MalformedEvent("not a CloudEvent 1.0")
    for name in _REQUIRED:
        if not isinstance(body.get(name), str) or not body[name]:
            raise MalformedEvent(f"{name} is missing")
    payload = body.get("data")
    if not isinstance(payload, dict):
        raise MalformedEvent("data is not an object")
    if b"\n" in raw or b"\r" in raw:
        raise MalformedEvent("more than one line")
    if "\x00" in body["subject"] or "\x00" in body["tenantid"]:
        raise MalformedEvent("a NUL character in subject or tenantid")
    event_id: str = body["id"]
    digits: str = body["sequence"]
    try:
        canonical = len(event_id) == _UUID_LENGTH and str(uuid_utils.UUID(event_id)) == event_id
        time = datetime.fromisoformat(body["time"])
    except ValueError:
        raise MalformedEvent("id is not a UUID, or time not RFC 3339") from None
    if not canonical:
        raise MalformedEvent("id is not a UUID in its usual form")
    if time.tzinfo is None:
        raise MalformedEvent("time has no offset")
    if len(digits) != _SEQUENCE_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise MalformedEvent("sequence is not 20 digits")
    sequence = int(digits)
    if not 0 < sequence < 2**63:
        raise MalformedEvent("sequence is out of range")
    if body["actortype"] not in _ACTOR_TYPES:
        raise MalformedEvent("actortype is unknown")
    return Event(
        id=event_id,
        source=body["source"],
        type=body["type"],
        subject=body["subject"],
        time=time,
        tenant=body["tenantid"],
        actor=Actor(body["actorid"], body["actortype"]),
        sequence=sequence,
        correlation_id=body.get("correlationid"),
        causation_id=body.get("causationid"),
        payload=payload,
        raw=raw,
    )
