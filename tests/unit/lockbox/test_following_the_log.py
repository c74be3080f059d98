"""A stream of events that breaks, is cut anywhere, ends, or sends what is no event."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockbox.client import Unauthorized, Unavailable, UnexpectedAnswer
from lockbox.client.following import Lines
from tests.unit.lockbox.flaky import ID, KINDS, Answer, Flaky, Kind, flaky, problem, taken

STREAM = {"Content-Type": "text/event-stream"}
# What says where the log ends, before the stream begins.
END = Answer(body={"events": [], "next_cursor": "end"})


def event(number: int) -> bytes:
    said = {
        "id": str(number),
        "type": "lockbox.request.approved.v1",
        "source": "/services/approval",
        "subject": ID,
        "time": "2026-11-25T10:00:00Z",
        "tenantid": "contoso",
        "actorid": "x",
        "actortype": "member",
        "leafindex": number,
        "logorigin": "o",
        "data": {},
        "sequence": "1",
        "new": True,
    }
    return f"id: c{number}\ndata: {json.dumps(said)}\n\n".encode()


def stream(*chunks: bytes) -> Answer:
    return Answer(headers=STREAM, chunks=chunks)


async def followed(kind: Kind, server: Flaky, number: int, **options: Any) -> list[Any]:
    return await taken(kind, server, lambda client: client.follow(**options), number)


@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_break_it_goes_on_behind_what_was_seen(kind: Kind) -> None:
    first = stream(b": hello\n\n", event(1), event(2)[:20])
    answers = (END, first, "drop", problem(503, "unavailable"), stream(event(2), b"id: c7\n\n"), stream(event(8)))
    async with flaky(*answers) as server:  # type: ignore[arg-type]
        found = await followed(kind, server, 3, tenant="contoso", types=["a", "b"])
    assert [(one.id, one.cursor, one.tenant) for one in found] == [
        ("1", "c1", "contoso"),
        ("2", "c2", "contoso"),
        ("8", "c8", "contoso"),
    ]
    afters = [one.path.rpartition("after=")[2] for one in server.got[1:]]
    assert afters == ["end", "c1", "c1", "c1", "c7"]
    assert "type=a&type=b" in server.got[1].path


@pytest.mark.parametrize("kind", KINDS)
async def test_it_ends_when_one_may_read_no_more(kind: Kind) -> None:
    async with flaky(stream(event(1)), problem(401, "token_invalid")) as server:
        with pytest.raises(Unauthorized):
            await followed(kind, server, 2, after="c0")
    assert len(server.got) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_it_ends_when_nothing_was_heard_for_too_long(kind: Kind) -> None:
    async with flaky(problem(503, "unavailable")) as server:
        with pytest.raises(Unavailable):
            await followed(kind, server, 1, after="c0", patience=0)


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: 5\n\n", b"data: {}\n\n", b"data: \xff\n\n"])
async def test_what_is_no_event_ends_it_and_is_not_passed_over(data: bytes) -> None:
    async with flaky(stream(data)) as server:
        with pytest.raises(UnexpectedAnswer):
            await followed("awaiting", server, 1, after="c0")


ENDINGS = st.sampled_from([b"\n", b"\r\n"])


@given(st.lists(st.integers(0, 400), max_size=8), ENDINGS)
def test_a_stream_is_read_alike_wherever_it_is_cut(cuts: list[int], ending: bytes) -> None:
    whole = b": hello\n\nid: 1\ndata: a\ndata:b\n\nid: 2\n\nevent: x\nid: 3\ndata: c\n\n".replace(b"\n", ending)
    lines, read, before = Lines(), [], 0
    for cut in [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]:
        read += list(lines.feed(whole[before:cut]))
        before = cut
    assert read == [("1", b"a\nb"), ("2", None), ("3", b"c")]


def test_a_line_without_end_is_refused() -> None:
    lines = Lines()
    for _ in range(4):
        assert list(lines.feed(b"x" * 1024 * 1024)) == []
    with pytest.raises(UnexpectedAnswer):
        list(lines.feed(b"x"))
