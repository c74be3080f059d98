"""An entry of the log, and an event as readers get it."""

import base64
import hashlib

import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.leaves import entry, origin, shown
from shared.events.envelope import new_id


def test_an_entry_is_three_lines() -> None:
    digest = hashlib.sha256(b"the bytes of an event").digest()
    assert entry("0193f2a0-0000-7000-8000-000000000000", digest) == (
        b"lockbox-leaf/v1\n0193f2a0-0000-7000-8000-000000000000\nfBQHL0xLGuOqPH/wc8pGK1+IUHqHqgmgTV44nVMTkwE=\n"
    )


@given(st.binary())
def test_an_entry_tells_the_id_and_the_digest_and_nothing_else(body: bytes) -> None:
    event_id, digest = new_id(), hashlib.sha256(body).digest()
    header, told_id, told_digest, rest = entry(event_id, digest).split(b"\n")
    assert (header, told_id.decode(), rest) == (b"lockbox-leaf/v1", event_id, b"")
    assert base64.b64decode(told_digest, validate=True) == digest


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json, min_size=1), st.integers(0, 2**53))
def test_what_is_added_changes_nothing_of_what_was_there(event: dict[str, object], index: int) -> None:
    name = origin("lockbox.example", "contoso")
    added = {"leafindex": index, "logorigin": name}
    for body in (orjson.dumps(event), orjson.dumps(event) + b" \t"):
        assert orjson.loads(shown(body, index, name)) == {**event, **added}


def test_the_bytes_before_the_addition_are_the_events_own() -> None:
    body = b'{ "b" : 1.0, "a" : "\\u00fc\\/", "c":1e2 }  '
    assert shown(body, 7, "o/t/x") == b'{ "b" : 1.0, "a" : "\\u00fc\\/", "c":1e2 ,"leafindex":7,"logorigin":"o/t/x"}'


def test_an_event_that_uses_our_names_is_shown_with_ours_once() -> None:
    body = b'{"id":"1","leafindex":99,"logorigin":"evil"}'
    assert shown(body, 7, "ours") == b'{"id":"1","leafindex":7,"logorigin":"ours"}'
