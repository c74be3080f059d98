"""What was approved against what was done."""

from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.comparison import SHOWN, Use, compare
from shared.events.values import Resource

ALICE = Resource(id="mail/alice", operations=["read", "write"])
BOB = Resource(id="mail/bob", operations=["read"])


def test_what_was_never_done_is_unused() -> None:
    said = compare([ALICE, BOB], [Use("mail/alice", ["read"], 3)], 2)
    assert said == {
        "approved": [
            {"id": "mail/alice", "operations": ["read", "write"]},
            {"id": "mail/bob", "operations": ["read"]},
        ],
        "used": [{"id": "mail/alice", "operations": ["read"], "actions": 3}],
        "used_total": 1,
        "unused": [{"id": "mail/alice", "operations": ["write"]}, {"id": "mail/bob", "operations": ["read"]}],
        "refused": 2,
    }


def test_a_use_below_an_approved_resource_is_a_use_of_it_and_of_no_neighbour() -> None:
    below = compare([BOB], [Use("mail/bob/inbox/1", ["read"], 1)], 0)
    assert below["unused"] == []
    neighbour = compare([BOB], [Use("mail/bobby", ["read"], 1)], 0)
    assert neighbour["unused"] == [{"id": "mail/bob", "operations": ["read"]}]


def test_without_a_grant_nothing_was_approved() -> None:
    assert compare([], [], 3) == {"approved": [], "used": [], "used_total": 0, "unused": [], "refused": 3}


def test_an_answer_stays_bounded_and_says_how_many_there_are() -> None:
    used = [Use(f"mail/alice/{number}", ["read"], 1) for number in range(SHOWN + 5)]
    said = compare([ALICE], used, 0)
    assert (len(said["used"]), said["used_total"]) == (SHOWN, SHOWN + 5)
    assert said["unused"] == [{"id": "mail/alice", "operations": ["write"]}]


operations = st.lists(st.sampled_from(["read", "write", "delete"]), min_size=1, max_size=3, unique=True)
paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)


@given(
    st.lists(st.builds(Resource, id=paths, operations=operations), max_size=4),
    st.lists(st.builds(Use, resource=paths, operations=operations, actions=st.integers(1, 9)), max_size=5),
)
def test_unused_and_used_split_what_was_approved(approved: list[Resource], used: list[Use]) -> None:
    said = compare(approved, used, 0)
    unused = {(one["id"], operation) for one in said["unused"] for operation in one["operations"]}
    for resource in approved:
        for operation in resource.operations:
            done = any(operation in use.operations and f"{use.resource}/".startswith(f"{resource.id}/") for use in used)
            assert done != ((resource.id, operation) in unused)
