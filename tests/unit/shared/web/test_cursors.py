"""Cursors of lists."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.paging import decode_cursor, encode_cursor
from shared.web.problems import Problem

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@given(TEXT, st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_gives_back_its_position(text: str, number: int) -> None:
    assert decode_cursor(encode_cursor(text, number), str, int) == (text, number)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_as_a_problem(text: str) -> None:
    with contextlib.suppress(Problem):
        position = decode_cursor(text, str, int)
        assert [type(value) for value in position] == [str, int]


@pytest.mark.parametrize(
    "cursor",
    ["", "zzz", encode_cursor("a"), encode_cursor(1, "a"), encode_cursor("a", 2**63), encode_cursor("a\0", 1),
     encode_cursor("x" * 2000, 1), encode_cursor("a", True)],
)  # fmt: skip
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_cursor(cursor, str, int)
    assert caught.value.status == 422
    assert caught.value.errors[0][0] == "cursor"
