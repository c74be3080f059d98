"""What was approved against what was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.events.values import Resource

# Used resources shown in one answer; `used_total` says how many there are.
SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Use:
    """What was done with one resource, and how often."""

    resource: str
    operations: Sequence[str]
    actions: int


def compare(approved: Sequence[Resource], used: Sequence[Use], refused: int) -> dict[str, Any]:
    """Set what a grant allowed beside what was done under it.

    `unused` is what was approved and never done with the resource or with anything below it; `refused` counts refused actions.
    """
    unused = []
    for resource in approved:
        done = {operation for use in used if _covers(resource.id, use.resource) for operation in use.operations}
        left = [operation for operation in resource.operations if operation not in done]
        if left:
            unused.append({"id": resource.id, "operations": left})
    return {
        "approved": [{"id": resource.id, "operations": list(resource.operations)} for resource in approved],
        "used": [
            {"id": use.resource, "operations": list(use.operations), "actions": use.actions} for use in used[:SHOWN]
        ],
        "used_total": len(used),
        "unused": unused,
        "refused": refused,
    }


def _covers(granted: str, used: str) -> bool:
    """A granted id covers itself and what is below it; segments compare exactly."""
    return used == granted or used.startswith(granted + "/")
