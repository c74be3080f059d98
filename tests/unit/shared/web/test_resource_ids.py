"""Resource ids: paths that no reader takes for another path."""

import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.fields import RESOURCE_BYTES, parse_resource

HOSTILE = st.text(alphabet=st.sampled_from("ab./\\%25eE2fFcC ０．／é\u0301\0\n\u200b\u202e"), max_size=24)


@given(HOSTILE | st.text(max_size=80))
def test_an_accepted_id_is_a_plain_path_however_often_it_is_decoded(text: str) -> None:
    try:
        accepted = parse_resource(text)
    except ValueError:
        return
    segments = len(accepted.split("/"))
    decoded = accepted
    for _ in range(6):
        parts = decoded.split("/")
        assert len(parts) == segments
        assert not {"", ".", ".."} & set(parts)
        assert "\\" not in decoded
        assert (
            decoded.isprintable()
            or " " in decoded
            or any(unicodedata.category(c) in {"Cn", "Co", "Zs"} for c in decoded)
        )
        decoded = unquote(decoded)
    assert len(accepted.encode()) <= RESOURCE_BYTES


@given(HOSTILE | st.text(max_size=80))
def test_normalizing_an_accepted_id_again_changes_nothing(text: str) -> None:
    try:
        accepted = parse_resource(text)
    except ValueError:
        return
    assert parse_resource(accepted) == accepted
    assert unicodedata.is_normalized("NFC", accepted)


@pytest.mark.parametrize(
    "text",
    ["exchange-online/mailboxes/alice", "a", "a/b c/d", "sites/50% off", "sites/%41", "mailboxes/josé", "a/.hidden",
     "a/...", "a/b..c", "x" * 256, "é" * 128],
)  # fmt: skip
def test_plain_paths_are_accepted_as_they_are(text: str) -> None:
    assert parse_resource(text) == text


def test_two_spellings_of_one_name_are_one_id() -> None:
    assert parse_resource("mailboxes/jose\u0301") == parse_resource("mailboxes/jos\u00e9")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "empty segments"),
        ("/a", "empty segments"),
        ("a/", "empty segments"),
        ("a//b", "empty segments"),
        ("a/../b", "segments . and .."),
        ("..", "segments . and .."),
        ("a/.", "segments . and .."),
        ("a/%2e%2E/b", "segments . and .."),
        ("a%2fb", "encoded slash"),
        ("a%252Fb", "encoded slash"),
        ("a\\b", "backslash"),
        ("a%5cb", "backslash"),
        ("a\nb", "control characters"),
        ("a%0ab", "control characters"),
        ("a\0b", "U\\+0000"),
        ("a\u200bb", "not seen"),
        ("a\u202eb", "not seen"),
        ("a/ b", "space"),
        ("a /b", "space"),
        ("a\ud800", "surrogate"),
        ("%25252541", "more than once"),
        ("x" * 257, "256 bytes"),
        ("é" * 129, "256 bytes"),
    ],
)
def test_what_a_reader_could_take_for_another_path_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        parse_resource(text)
