"""What the client makes of answers: new things are passed over, wrong ones named, lists go on, and secrets stay unseen."""

import dataclasses
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockbox import Addresses, AsyncClient, Client
from lockbox.client import NotPossible, UnexpectedAnswer, WaitedTooLong
from lockbox.client.calls import path
from lockbox.client.formats import format_duration, format_instant, parse_duration, parse_instant, spoken_duration
from lockbox.client.reading import read
from lockbox.client.sending import realm_of
from lockbox.client.things.people import NewMachineClient, NewTotp, SetUp, SignedIn
from lockbox.client.things.requests import GrantToken, Request
from tests.unit.lockbox.flaky import ID, KINDS, POLICY, Answer, Kind, does, flaky, request, taken

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_what_is_new_in_an_answer_is_kept_and_disturbs_nothing() -> None:
    new = request(risk={"score": 7}, state="on_hold")
    new["engineer"]["badge"] = 5
    found = read(Request, new)
    assert (found.state, found.raw["risk"], found.engineer.raw["badge"]) == ("on_hold", {"score": 7}, 5)
    assert read(Request, {name: new[name] for name in new if name != "extends"}).extends is None


def test_a_thing_cannot_be_changed() -> None:
    found = read(Request, request())
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.state = "approved"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"id": 5}, "Request.id"),
        ({"duration": "two hours"}, "Request.duration"),
        ({"decide_by": "2026-11-25"}, "Request.decide_by"),
        ({"engineer": []}, "Request.engineer"),
        ({"engineer": {"id": "1", "email": "x"}}, "Request.engineer.name"),
        ({"resources": {"id": "x"}}, "Request.resources"),
        ({"resources": ["secret-value"]}, "Request.resources"),
        ({"approvals_required": True}, "Request.approvals_required"),
    ],
)
def test_an_answer_of_another_shape_is_named_by_its_place_and_never_by_its_value(
    changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(UnexpectedAnswer) as unexpected:
        read(Request, request(**changes))
    assert f"{place} " in str(unexpected.value)
    assert "secret-value" not in str(unexpected.value)


@given(JSON, st.sampled_from(sorted(request())))
def test_whatever_an_answer_holds_it_is_read_or_refused(value: Any, name: str) -> None:
    for answer in (value, request(**{name: value})):
        with suppress(UnexpectedAnswer):
            assert isinstance(read(Request, answer), Request)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_is_read_page_after_page_as_it_is_taken(kind: Kind) -> None:
    pages = [Answer(body={"items": [request(id=str(n))], "next_cursor": f"c{n}" if n < 3 else None}) for n in range(4)]
    async with flaky(*pages) as server:
        found = await taken(kind, server, lambda client: client.requests.list(limit=1), 100)
        assert [one.id for one in found] == ["0", "1", "2", "3"]
    assert [one.path.partition("?")[2] for one in server.got] == [
        "limit=1",
        "limit=1&cursor=c0",
        "limit=1&cursor=c1",
        "limit=1&cursor=c2",
    ]


async def test_only_the_pages_that_are_taken_are_fetched() -> None:
    async with flaky(Answer(body={"items": [request()], "next_cursor": "more"})) as server:
        async with AsyncClient(server.addresses, token="t", policy=POLICY) as client:
            async for _ in client.requests.list():
                break
    assert len(server.got) == 1


async def test_a_list_that_goes_on_where_it_began_is_no_endless_loop() -> None:
    async with flaky(Answer(body={"items": [], "next_cursor": "same"})) as server:
        async with AsyncClient(server.addresses, token="t", policy=POLICY) as client:
            with pytest.raises(UnexpectedAnswer, match="goes on where it began"):
                _ = [one async for one in client.requests.list()]
    assert len(server.got) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_waiting_ends_with_the_state_or_with_what_was_last_seen(kind: Kind) -> None:
    answers = [Answer(body=request())] * 2 + [Answer(body=request(state="approved"))]
    async with flaky(*answers) as server:
        found = await does(kind, server, lambda client: client.requests.wait(ID))
        assert (found.state, len(server.got)) == ("approved", 3)
        found = await does(kind, server, lambda client: client.requests.wait(ID, {"approved", "denied"}))
        assert found.state == "approved"
        with pytest.raises(WaitedTooLong) as waited:
            await does(kind, server, lambda client: client.requests.wait(ID, {"ended"}, seconds=0))
    assert waited.value.last.state == "approved"


async def test_no_token_and_no_secret_is_in_a_repr_a_log_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with flaky("drop", Answer(body={**request(), "id": 5})) as server:
        async with AsyncClient(server.addresses, token="hidden-token", policy=POLICY) as client:
            with pytest.raises(UnexpectedAnswer) as error:
                await client.requests.ask(ID, "hidden-question")
            seen = [repr(client), repr(vars(client)), str(error.value), caplog.text]
    log = {"origin": "o", "index": 1, "size": 2}
    seen += [
        repr(read(SignedIn, {"access_token": "hidden", "expires_in": 5, "realm": "x", "roles": []})),
        repr(
            read(GrantToken, {"token": "hidden", "grant_id": "g", "access_until": "2026-01-01T00:00:00Z", "log": log})
        ),
        repr(read(NewMachineClient, {"id": "1", "name": "n", "scopes": [], "secret": "hidden"})),
        repr(read(NewTotp, {"factor_id": "1", "secret": "hidden", "uri": "hidden"})),
        repr(read(SetUp, {"realm": "r", "email": "e", "recovery_codes": ["hidden"]})),
    ]
    assert "hidden" not in "".join(seen)
    assert len(server.got) == 2


def test_requests_go_to_the_service_that_knows_the_callers_first() -> None:
    assert realm_of("x.eyJyZWFsbSI6ICJwcm92aWRlciJ9.y") == "provider"
    assert realm_of("x.eyJyZWFsbSI6ICJjb250b3NvIn0.y") == "contoso"
    for strange in ("", "x", "..", "x.!.y", "x.e30.y", "x.W10.y", "x.NQ.y", "x." + "W1" * 50_000 + ".y"):
        assert realm_of(strange) is None


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_an_id_that_would_lead_elsewhere_is_refused(part: str) -> None:
    with pytest.raises(NotPossible):
        path("/v1/requests/{}", part)
    assert path("/v1/requests/{}", "../me?x=#") == "/v1/requests/..%2Fme%3Fx%3D%23"


@pytest.mark.parametrize(
    "address",
    ["lockbox.example", "ftp://x.example", "http://x.example", "https://user:pw@x.example", "https://", "http://[::1",
     "https://x.example:99999", "https://x.example?a=b", "http://localhost.evil.example", "http://127.0.0.1.evil.example"],
)  # fmt: skip
def test_a_token_is_sent_to_no_address_that_is_none_or_unencrypted(address: str) -> None:
    with pytest.raises(NotPossible):
        Client(Addresses(approval=address))


def test_addresses_are_three_or_one_base_or_those_of_this_machine() -> None:
    assert Addresses.under("https://x.example/lockbox/").approval == "https://x.example/lockbox/approval"
    assert Addresses.local(9000).audit == "http://127.0.0.1:9002"
    assert Addresses(approval="http://x.example/", plain_http=True).approval == "http://x.example"
    with pytest.raises(NotPossible, match="request_api"):
        Addresses(approval="https://x.example").of("request_api")


@given(st.integers(0, 10**9))
def test_a_duration_is_read_as_it_is_written(seconds: int) -> None:
    value = timedelta(seconds=seconds)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90m", 90), ("1h30m", 90), ("1h 30 min", 90), ("PT1H30M", 90), ("pt90m", 90), ("1d", 1440), ("P1W", 10_080)],
)
def test_a_duration_is_read_as_people_write_it(text: str, minutes: int) -> None:
    assert spoken_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["", " ", "P", "PT", "5", "1h2h", "-1h", "1.5h", "PT1.5H", "٣m", "9" * 30 + "h", "PH", "1 30"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    for reader in (spoken_duration, parse_duration):
        with pytest.raises(ValueError):  # noqa: PT011 - Its words are for people.
            reader(text)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_instant_is_read_as_it_is_written(moment: datetime) -> None:
    assert parse_instant(format_instant(moment)) == moment


def test_an_instant_keeps_its_offset_and_has_one() -> None:
    assert parse_instant("2026-11-25T10:00:00.123456789+01:00") == datetime(
        2026, 11, 25, 10, 0, 0, 123456, timezone(timedelta(hours=1))
    )
    for wrong in ("2026-11-25T10:00:00", "2026-11-25", "25.11.2026", "2026-13-25T10:00:00Z", "now"):
        with pytest.raises(ValueError):  # noqa: PT011 - Its words are for people.
            parse_instant(wrong)
