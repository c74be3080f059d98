"""Resources as paths: what lies under what, and what the provider's catalogue leaves out."""

from collections.abc import Iterable
from urllib.parse import unquote

from shared.events.values import Resource
from shared.settings import CoveredService


def lies_under(resource: str, granted: str) -> bool:
    """Say whether a resource is a granted one or below it. Segments compare exactly; both are normalized."""
    return resource == granted or resource.startswith(granted + "/")


def covers(granted: Iterable[Resource], resource: str, operation: str) -> bool:
    """Say whether what was granted allows an operation on a resource."""
    return any(operation in one.operations and lies_under(resource, one.id) for one in granted)


def excluded_part(service: CoveredService, resource: str) -> str | None:
    """Give the part of a service that a resource touches though it is not covered.

    What lies above an excluded part touches it too: a granted id covers all below it. Compared without regard to case and
    percent-encoding, which the service behind may not tell apart.
    """
    excluded = {part.casefold(): part for part in service.excludes}
    if not excluded:
        return None
    segments = resource.split("/")
    if len(segments) == 1:
        return f"{service.id}/{service.excludes[0]}"
    part = excluded.get(unquote(segments[1]).casefold())
    return None if part is None else f"{service.id}/{part}"
