"""May the end of an action still be reported? The end of one that was running is a fact also after the grant's end."""

from datetime import datetime, timedelta

from services.request_api.domain.gate import GrantPicture
from shared.web.problems import Problem, forbidden

# How long after the end of its grant a running action may report how it ended.
GRACE = timedelta(minutes=15)


def refuse_completion(grant: GrantPicture | None, completed_at: datetime | None, now: datetime) -> Problem | None:
    """Give the reason why an action's completion is not taken, or None when it is."""
    if completed_at is not None:
        return Problem(409, "already_completed", "The end of this action was reported before.")
    if grant is None or now >= min(grant.access_until, grant.closed_at or grant.access_until) + GRACE:
        minutes = int(GRACE.total_seconds() // 60)
        return forbidden(f"The grant ended more than {minutes} minutes ago.", "grant_ended")
    return None
