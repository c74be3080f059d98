"""The gate's decision: may this be done now, under this grant? Everything that is not certain is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.request_api.domain.resources import covers
from shared.events.values import Resource

Code = Literal["token_invalid", "state_stale", "state_unknown", "grant_ended", "not_started", "out_of_scope"]

# How far the newest word of `approval` may lie ahead of our clock: beyond, one of the two clocks is wrong.
CLOCKS_APART = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class GrantPicture:
    """A grant as it was approved, and what has closed it since other than time (`closed_at`)."""

    grant_id: str
    tenant: str
    engineer_id: str
    access_from: datetime
    access_until: datetime
    closed_at: datetime | None
    resources: Sequence[Resource]


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is known at the moment of an action.

    `complete_until`: everything that `approval` committed before it has been applied here; None where nothing was heard.
    `grant` is None where no approval is known. `in_doubt`: an event about the request, the tenant or the engineer could not be
    applied. `engineer_may`: he is still an engineer or manager of the provider.
    """

    complete_until: datetime | None
    in_doubt: bool
    grant: GrantPicture | None
    engineer_may: bool


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done, under which grant. The first four are what the token says."""

    grant_id: str
    tenant: str
    engineer_id: str
    token_until: datetime
    resource: str
    operation: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """It may be done."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not, for the reason in `code`."""

    code: Code


def decide(picture: Picture, action: Action, now: datetime, *, staleness: timedelta) -> Allowed | Refused:
    """Decide on an action: first the token's time, then the live state of the grant, then the scope. `now` is the database's."""
    if now >= action.token_until:
        return Refused("token_invalid")
    heard = picture.complete_until
    if heard is None or not now - staleness <= heard <= now + CLOCKS_APART:
        return Refused("state_stale")
    grant = picture.grant
    if picture.in_doubt or grant is None:
        return Refused("state_unknown")
    if (grant.grant_id, grant.tenant, grant.engineer_id) != (action.grant_id, action.tenant, action.engineer_id):
        return Refused("token_invalid")
    if grant.closed_at is not None or now >= grant.access_until or not picture.engineer_may:
        return Refused("grant_ended")
    if now < grant.access_from:
        return Refused("not_started")
    if not covers(grant.resources, action.resource, action.operation):
        return Refused("out_of_scope")
    return Allowed()
