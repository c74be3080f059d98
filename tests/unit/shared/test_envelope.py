"""The envelope: what is written is read again, and nothing else is taken for an event."""

from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.envelope import (
    MAX_EVENT_BYTES,
    Draft,
    EventTooLarge,
    MalformedEvent,
    read,
    service_actor,
    write,
)
from shared.events.requests import VoteCast
from shared.events.values import Resource
from tests.kernel import NOW, event_of, submitted

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(text)
def test_every_text_comes_back_as_it_was_in_one_line_of_utf8(detail: str) -> None:
    event = event_of(submitted(detail=detail))
    assert b"\n" not in event.raw
    assert b"\r" not in event.raw
    event.raw.decode("utf-8")
    again = read(event.raw)
    assert again.data.reason.detail == detail
    assert (again.id, again.sequence, again.time, again.subject) == (event.id, 1, event.time, event.subject)


def test_the_attributes_are_those_of_the_contract() -> None:
    event = event_of(submitted(), sequence=42)
    body = orjson.loads(event.raw)
    assert body["specversion"] == "1.0"
    assert body["source"] == "/services/request_api"
    assert body["type"] == "lockbox.request.submitted.v1"
    assert body["sequence"] == "00000000000000000042"
    assert body["time"] == "2026-01-02T03:04:05.678901Z"
    assert body["datacontenttype"] == "application/json"
    assert (body["tenantid"], body["actortype"]) == ("contoso", "engineer")
    assert body["subject"] == body["correlationid"] == body["data"]["request_id"]
    assert len(bytes.fromhex(body["salt"])) == 16
    assert body["id"][14] == "7"
    assert body["data"]["duration"] == "PT2H"


def test_the_salt_and_the_id_are_new_each_time() -> None:
    draft = submitted()
    assert event_of(draft).raw != event_of(draft).raw


def test_the_largest_event_is_taken_and_one_byte_more_refused() -> None:
    room = MAX_EVENT_BYTES - len(event_of(submitted(detail="")).raw)
    assert len(event_of(submitted(detail="x" * room)).raw) == MAX_EVENT_BYTES
    with pytest.raises(EventTooLarge):
        event_of(submitted(detail="x" * (room + 1)))


def test_of_a_decision_that_is_too_long_the_comment_is_named_which_its_maker_can_shorten() -> None:
    resources = [Resource(id=f"exchange-online/{number}", operations=["read"]) for number in range(1000)]
    facts = {"request_id": "r", "tenant": "contoso", "duration": timedelta(hours=1), "resources": resources}
    said = facts | {"settings_version": 1, "request_digest": "d", "vote": "approve"}
    for comment, named in (("x" * 4000, "comment"), (None, "resources")):
        data = VoteCast.model_validate(said | {"comment": comment})
        draft = Draft(data, "contoso", "r", service_actor("approval"))
        with pytest.raises(EventTooLarge) as refused:
            write(draft, service="approval", sequence=1, time=NOW, limit=40_000)
        assert refused.value.field == named


@given(st.binary(max_size=300))
def test_bytes_that_are_no_event_are_refused_and_nothing_else_happens(raw: bytes) -> None:
    with pytest.raises(MalformedEvent):
        read(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(orjson.loads(event_of(submitted()).raw))), json_values)
def test_an_attribute_replaced_by_anything_is_read_or_refused_and_never_breaks_the_reader(
    name: str, value: object
) -> None:
    body = orjson.loads(event_of(submitted()).raw)
    try:
        body[name] = value
        raw = orjson.dumps(body)
    except TypeError:
        return
    try:
        event = read(raw)
    except MalformedEvent:
        return
    assert "\x00" not in event.subject + event.tenant
    assert 0 < event.sequence < 2**63
    assert event.raw == raw


@pytest.mark.parametrize(
    "name", ["id", "source", "type", "subject", "time", "tenantid", "actorid", "sequence", "salt", "data"]
)
def test_without_a_required_attribute_it_is_no_event(name: str) -> None:
    body = orjson.loads(event_of(submitted()).raw)
    del body[name]
    with pytest.raises(MalformedEvent):
        read(orjson.dumps(body))


def test_two_lines_are_no_event() -> None:
    raw = event_of(submitted()).raw
    with pytest.raises(MalformedEvent):
        read(raw.replace(b",", b",\n", 1))


def test_a_draft_needs_no_revision_for_what_only_adds() -> None:
    draft = submitted()
    assert Draft(draft.data, draft.tenant, draft.subject, draft.actor).revision is None
