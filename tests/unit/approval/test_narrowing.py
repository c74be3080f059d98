"""A decision can leave less than was asked, and never more."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approval.domain.narrowing import common, covers, narrowed
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


@given(
    decisions=st.lists(st.tuples(RESOURCES, DURATIONS), min_size=2, max_size=4),
    path=PATHS,
    operation=st.sampled_from("rwd"),
)
def test_several_decisions_leave_what_each_of_them_allows_and_nothing_else(
    decisions: list[tuple[list[Resource], timedelta]], path: str, operation: str
) -> None:
    (resources, duration), *others = decisions
    together, shortest = common(resources, duration, others)
    everywhere = all(allowed(one, path, operation) for one, _ in decisions)
    assert allowed(together, path, operation) is everywhere
    assert shortest == min(lasting for _, lasting in decisions)


@given(one=RESOURCES, other=RESOURCES)
def test_nothing_of_what_is_left_together_stands_there_twice(one: list[Resource], other: list[Resource]) -> None:
    together, _ = common(one, timedelta(hours=1), [(other, timedelta(hours=1))])
    assert len({each.id for each in together}) == len(together)
    for position, each in enumerate(together):
        assert each.operations
        rest = together[:position] + together[position + 1 :]
        for operation in each.operations:
            assert not allowed(rest, each.id, operation)


@given(one=RESOURCES, other=RESOURCES, path=PATHS, operation=st.sampled_from("rwd"))
def test_the_order_of_the_decisions_changes_nothing(
    one: list[Resource], other: list[Resource], path: str, operation: str
) -> None:
    hour = timedelta(hours=1)
    left, right = common(one, hour, [(other, hour)])[0], common(other, hour, [(one, hour)])[0]
    assert allowed(left, path, operation) is allowed(right, path, operation)


@given(resources=RESOURCES, duration=DURATIONS)
def test_a_single_decision_leaves_exactly_what_it_says(resources: list[Resource], duration: timedelta) -> None:
    assert common(resources, duration, []) == (resources, duration)


def test_of_two_paths_on_one_line_the_narrower_is_left_with_the_operations_of_both() -> None:
    wide = [Resource(id="x/y", operations=["read", "write"]), Resource(id="x/ya", operations=["read"])]
    narrow = [Resource(id="x/y/z", operations=["write", "delete"]), Resource(id="w", operations=["read"])]
    hour = timedelta(hours=1)
    assert common(wide, hour, [(narrow, hour)])[0] == [Resource(id="x/y/z", operations=["write"])]
    apart = [Resource(id="x/y", operations=["delete"])]
    assert common(wide, hour, [(apart, hour)])[0] == []
