"""What the log says of itself, and what people were told."""

from datetime import datetime

from shared.events.values import Data


class CheckpointSigned(Data):
    """A stream message without a sequence; it stands in no log."""

    origin: str
    size: int
    root_hash: str
    note: str


class LogRead(Data):
    """A token's first read of the log in an hour."""

    reader: str
    email: str | None = None
    tenants: list[str]
    hour: datetime


class LogExported(Data):
    reader: str
    email: str | None = None
    query: str
    events: int


class LogErased(Data):
    event_id: str
    reason: str


class LogPruned(Data):
    until: datetime
    first_index: int
    last_index: int


class MessageQuarantined(Data):
    """Bytes that could not be attributed were kept aside. `digest` is their SHA-256 in lower-case hex."""

    digest: str
    user: str | None
    routing_key: str
    reason: str


class GapDetected(Data):
    source: str
    tenant: str
    first_missing: int
    last_missing: int


class GapClosed(Data):
    source: str
    tenant: str
    first_missing: int
    last_missing: int


class SequenceConflict(Data):
    source: str
    tenant: str
    sequence: int
    first_digest: str
    second_digest: str


class SinkBehind(Data):
    sink: str
    position: int
    behind: int


class SinkRecovered(Data):
    sink: str
    position: int


class NotificationDelivered(Data):
    """A mail server took the message for `recipient`."""

    notification_id: str
    request_id: str | None
    about: str
    channel: str
    recipient: str


class NotificationFailed(Data):
    notification_id: str
    request_id: str | None
    about: str
    channel: str
    recipient: str
    reason: str
