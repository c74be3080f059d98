"""What audit believes of a delivery before it stores anything."""

from typing import Any

import orjson
import pytest

from services.audit.ingest import LONGEST_REASON, attribute, noted
from shared.events.catalogue import CATALOGUE
from shared.events.envelope import MAX_EVENT_BYTES, Event
from shared.messaging.delivery import Delivery, Quarantined
from shared.messaging.topology import EXCHANGE
from tests.kernel import event_of, submitted

EVENT = event_of(submitted())


def delivered(body: bytes = EVENT.raw, **changes: Any) -> Delivery:
    facts: dict[str, Any] = {
        "body": body,
        "routing_key": EVENT.type,
        "exchange": EXCHANGE,
        "user_id": "request_api",
        "headers": {},
    }
    return Delivery(**facts | changes)


def test_its_owners_event_is_believed() -> None:
    event = attribute(delivered())
    assert isinstance(event, Event)
    assert event.raw == EVENT.raw


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": None},
        {"user_id": "approval"},
        {"user_id": "audit"},
        {"routing_key": "lockbox.request.withdrawn.v1"},
        {"routing_key": "lockbox.control.request_api", "body": b'{"service":"request_api"}'},
        {"routing_key": "lockbox.control.approval", "user_id": "approval"},
        {"exchange": ""},
        {"exchange": "amq.topic"},
        {"headers": {"CC": ["lockbox.request.approved.v1"]}},
        {"headers": {"BCC": ["lockbox.request.approved.v1"]}},
        {"body": b""},
        {"body": b"{}"},
        {"body": b"[" * 10_000},
        {"body": EVENT.raw + b"\n"},
        {"body": EVENT.raw[:-1] + b"," + b" " * MAX_EVENT_BYTES + b'"a":1}'},
    ],
)
def test_anything_else_is_set_aside_with_a_reason_that_can_be_noted(change: dict[str, Any]) -> None:
    item = attribute(delivered(**change))
    assert isinstance(item, Quarantined)
    assert 0 < len(item.reason) <= LONGEST_REASON
    draft = noted(item)
    assert (draft.tenant, draft.actor.type) == ("provider", "service")
    assert len(event_of(draft, service="audit").raw) < MAX_EVENT_BYTES


@pytest.mark.parametrize("name", ["subject", "tenantid", "correlationid"])
def test_a_name_that_no_index_could_hold_is_set_aside(name: str) -> None:
    fields = orjson.loads(EVENT.raw)
    assert isinstance(attribute(delivered(orjson.dumps(fields | {name: "x" * 255}))), Event)
    assert isinstance(attribute(delivered(orjson.dumps(fields | {name: "x" * 256}))), Quarantined)


def test_every_type_is_taken_from_its_owner_but_the_stream_of_checkpoints() -> None:
    for kind in CATALOGUE.values():
        fields = orjson.loads(EVENT.raw) | {"type": kind.type, "source": f"/services/{kind.owner}"}
        item = attribute(delivered(orjson.dumps(fields), routing_key=kind.type, user_id=kind.owner))
        assert isinstance(item, Event) == (kind.type != "lockbox.log.checkpoint_signed.v1")
