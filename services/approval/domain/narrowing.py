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
