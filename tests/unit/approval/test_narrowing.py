"""A decision can leave less than was asked, and never more."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approval.domain.narrowing import covers, narrowed
from services.approval.domain.refusals import Invalid
from shared.events.values import Resource

PATHS = st.lists(st.sampled_from(["a", "ab", "b"]), min_size=1, max_size=4).map("/".join)
RESOURCES = st.lists(
    st.builds(Resource, id=PATHS, operations=st.lists(st.sampled_from("rwd"), min_size=1, unique=True)),
    min_size=1,
    max_size=4,
)
DURATIONS = st.integers(min_value=1, max_value=14400).map(lambda seconds: timedelta(seconds=seconds))


def allowed(resources: list[Resource], path: str, operation: str) -> bool:
    """Judge one operation on one path by the contract's rule, apart from the code under test."""
    segments = path.split("/")
    return any(
        segments[: len(one.id.split("/"))] == one.id.split("/") and operation in one.operations for one in resources
    )


@given(
    asked=RESOURCES,
    duration=DURATIONS,
    wanted=RESOURCES,
    shorter=DURATIONS,
    path=PATHS,
    operation=st.sampled_from("rwd"),
)
def test_whatever_is_granted_was_asked(
    asked: list[Resource], duration: timedelta, wanted: list[Resource], shorter: timedelta, path: str, operation: str
) -> None:
    within = all(allowed(asked, one.id, each) for one in wanted for each in one.operations)
    if within and shorter <= duration:
        granted, lasting = narrowed(asked, duration, wanted, shorter)
        assert (granted, lasting) == (wanted, shorter)
        assert allowed(asked, path, operation) or not allowed(granted, path, operation)
    else:
        with pytest.raises(Invalid) as refused:
            narrowed(asked, duration, wanted, shorter)
        assert refused.value.code == "widens_request"


@given(asked=RESOURCES, duration=DURATIONS)
def test_what_a_decision_leaves_out_stays_as_asked(asked: list[Resource], duration: timedelta) -> None:
    assert narrowed(asked, duration, None, None) == (asked, duration)
    assert narrowed(asked, duration, asked, duration) == (asked, duration)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", True),
        ("a/b", "a/bc", False),
        ("a/b", "a", False),
        ("a/b", "A/b", False),
    ],
)
def test_an_id_covers_itself_and_what_is_below_it(wide: str, narrow: str, *, expected: bool) -> None:
    assert covers(wide, narrow) is expected


def test_every_field_that_goes_too_far_is_named() -> None:
    asked = [Resource(id="x/y", operations=["read"])]
    wanted = [Resource(id="x", operations=["read"]), Resource(id="x/y/z", operations=["read", "write"])]
    with pytest.raises(Invalid) as refused:
        narrowed(asked, timedelta(hours=1), wanted, timedelta(hours=2))
    assert [field for field, _ in refused.value.errors] == ["duration", "resources.0.id", "resources.1.operations"]
