"""What a decision may leave of what was asked: less of it, never more."""

from collections.abc import Sequence
from datetime import timedelta

from services.approval.domain.refusals import Field, Invalid
from shared.events.values import Resource


def covers(wide: str, narrow: str) -> bool:
    """Say whether a resource's id is the other one or a path above it; segments compare exactly."""
    return narrow == wide or narrow.startswith(wide + "/")


def narrowed(
    asked: Sequence[Resource],
    asked_duration: timedelta,
    resources: Sequence[Resource] | None,
    duration: timedelta | None,
) -> tuple[list[Resource], timedelta]:
    """Return what is granted when the decision names less; what it leaves out stays as asked.

    Raises Invalid `widens_request`, which names each field that goes beyond what was asked.
    """
    errors: list[Field] = []
    if duration is not None and duration > asked_duration:
        errors.append(("duration", "is longer than the request's: a decision can only shorten it"))
    for position, wanted in enumerate(resources or ()):
        above = [one for one in asked if covers(one.id, wanted.id)]
        if not above:
            errors.append((f"resources.{position}.id", "is not within what was asked: a decision can only narrow it"))
        elif beyond := set(wanted.operations).difference(*(one.operations for one in above)):
            message = f"goes beyond what was asked there: leave out {', '.join(sorted(beyond))}"
            errors.append((f"resources.{position}.operations", message))
    if errors:
        raise Invalid(*errors, code="widens_request")
    return list(asked if resources is None else resources), asked_duration if duration is None else duration


def common(
    resources: Sequence[Resource], duration: timedelta, others: Sequence[tuple[Sequence[Resource], timedelta]]
) -> tuple[list[Resource], timedelta]:
    """Return what several decisions leave together: what each of them covers, for the shortest of their durations.

    With no others it is `resources` as they are; else no part of the result is covered by another of its parts.
    """
    together = list(resources)
    for other, _ in others:
        together = _both(together, other)
    return together, min([duration, *(lasting for _, lasting in others)])


def _both(one: Sequence[Resource], other: Sequence[Resource]) -> list[Resource]:
    """Intersect pair by pair: of two paths on one line the narrower, with the operations of both."""
    found: dict[str, list[str]] = {}
    for left in one:
        for right in other:
            if covers(left.id, right.id):
                path = right.id
            elif covers(right.id, left.id):
                path = left.id
            else:
                continue
            operations = found.setdefault(path, [])
            operations += [each for each in left.operations if each in right.operations and each not in operations]
    return _minimal(found)


def _minimal(found: dict[str, list[str]]) -> list[Resource]:
    """Leave out each operation that a path above allows already, and each path that nothing is left of."""
    least = []
    for path, operations in found.items():
        above = {each for wide in _paths_above(path) for each in found.get(wide, ())}
        if left := [each for each in operations if each not in above]:
            least.append(Resource(id=path, operations=left))
    return least


def _paths_above(path: str) -> list[str]:
    segments = path.split("/")
    return ["/".join(segments[:length]) for length in range(1, len(segments))]
