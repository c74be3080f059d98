"""How often somebody may guess: the first few failures are free, then each costs a wait that doubles."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# So often doubled, a second is longer than any rule's longest wait, and still a time that can be held.
_MOST_DOUBLINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Rule:
    """After `free` failures in a row there is a wait (`first`), doubled by each further failure, up to `longest`.

    All is forgotten after `forgotten_after` without an attempt. Where `forgiven_every` is set, one failure is forgiven for each
    such time that passes while nobody has to wait.
    """

    free: int
    longest: timedelta
    forgotten_after: timedelta
    first: timedelta = timedelta(seconds=1)
    forgiven_every: timedelta | None = None


# Of an account a success clears all. Many people may share one address, and one of them who signs in says nothing of the
# others: there only time forgives, more failures are free, and nobody is made to wait long for what a neighbour did.
ACCOUNT: Final = Rule(free=5, longest=timedelta(minutes=15), forgotten_after=timedelta(days=1))
ADDRESS: Final = Rule(
    free=100, longest=timedelta(minutes=1), forgotten_after=timedelta(days=1), forgiven_every=timedelta(minutes=1)
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an account or address: failures in a row, until when nothing more is tried, and the last attempt."""

    failures: int
    blocked_until: datetime | None
    touched_at: datetime


def wait(standing: Standing, now: datetime) -> timedelta:
    """Return how long no attempt is taken; zero where one is."""
    if standing.blocked_until is None or standing.blocked_until <= now:
        return timedelta(0)
    return standing.blocked_until - now


def counted(standing: Standing, rule: Rule, now: datetime) -> Standing:
    """Count one more attempt as a failure: it is taken back when it turns out to be good."""
    failures = _remembered(standing, rule, now) + 1
    if failures < rule.free:
        return Standing(failures, None, now)
    doublings = min(failures - rule.free, _MOST_DOUBLINGS)
    return Standing(failures, now + min(rule.first * 2**doublings, rule.longest), now)


def _remembered(standing: Standing, rule: Rule, now: datetime) -> int:
    free_since = max(standing.touched_at, standing.blocked_until or standing.touched_at)
    quiet = max(now - free_since, timedelta(0))
    if quiet >= rule.forgotten_after:
        return 0
    forgiven = 0 if rule.forgiven_every is None else quiet // rule.forgiven_every
    return max(standing.failures - forgiven, 0)
