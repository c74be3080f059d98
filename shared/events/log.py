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
    """A token's first read of the log in an hour. `reader` is a member, or a client, which has a `name` and no address."""

    reader: str
    email: str | None = None
    name: str | None = None
    tenants: list[str]
    hour: datetime


class LogExported(Data):
    """Somebody took a copy of a part of the log."""

    reader: str
    email: str | None = None
    query: str
    events: int


class LogErased(Data):
    """The tenant had one event's bytes erased; its hash stays."""

    event_id: str
    reason: str


class LogPruned(Data):
    """The bytes of old events were dropped by the published retention; their hashes stay."""

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
    """Numbers of a source are missing in a tenant's log, for longer than a minute."""

    source: str
    tenant: str
    first_missing: int
    last_missing: int


class GapClosed(Data):
    """The missing numbers have arrived."""

    source: str
    tenant: str
    first_missing: int
    last_missing: int


class SequenceConflict(Data):
    """Two different events claim the same number of a source."""

    source: str
    tenant: str
    sequence: int
    first_digest: str
    second_digest: str


class SinkBehind(Data):
    """A push sink has fallen behind."""

    sink: str
    position: int
    behind: int


class SinkRecovered(Data):
    """A push sink has caught up."""

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
    """A message for `recipient` was given up, for `reason`."""

    notification_id: str
    request_id: str | None
    about: str
    channel: str
    recipient: str
    reason: str
