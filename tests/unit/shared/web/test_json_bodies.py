"""Reading a body: strict JSON, and only texts that can be stored."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.bodies import parse_json
from shared.web.problems import Problem

STORABLE = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | STORABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STORABLE, inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.booleans())
def test_json_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_as_a_problem(body: bytes) -> None:
    with contextlib.suppress(Problem):
        parse_json(body)


@given(JSON, st.sampled_from(["\0", "\ud800", "\udfff"]))
def test_a_text_that_cannot_be_stored_is_refused_wherever_it_stands(value: Any, bad: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_json(json.dumps({"a": [value, {"b": bad}]}).encode())
    assert caught.value.status == 422
    assert caught.value.errors[0][0] == "a.1.b"


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_json(rb'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": }', "line 1, column 7"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b'{"a": 1} x', "Extra data"),
        (b'{"a": 1, "a": 2}', '"a" twice'),
        (b'{"x": {"a": 1, "a": 2}}', '"a" twice'),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"1" * 6000 + b"}", "too long"),
        (b'{"a": "\xff"}', "byte 7"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\x00"', "control character"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
    ],
)
def test_malformed_json_is_refused_and_the_place_is_named(body: bytes, said: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_json(body)
    assert (caught.value.status, caught.value.code) == (400, "malformed_json")
    assert said in caught.value.detail


def test_a_name_that_cannot_be_stored_is_shown_escaped() -> None:
    with pytest.raises(Problem) as caught:
        parse_json(rb'{"a\u0000b": 1}')
    assert caught.value.errors[0][0] == "a\\u0000b"
