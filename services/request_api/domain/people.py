"""Who calls: the provider's people as this service knows them at the moment of a decision."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.events.envelope import Actor
from shared.events.values import Engineer, Person
from shared.security.tokens import Session
from shared.web.problems import Problem, forbidden, unauthorized, unavailable

# Who may ask for access, and use it once it was granted.
ASKERS = frozenset({"engineer", "manager"})
# Who sees every request; an engineer sees his own.
OVERSEERS = frozenset({"manager", "auditor"})
_UUID7 = 7


@dataclass(frozen=True, slots=True)
class Member:
    """One of the provider's people. `removed` and without roles after his removal; sessions before `sessions_from` are over."""

    id: str
    email: str
    name: str
    employer: str | None = None
    job_title: str | None = None
    country: str | None = None
    roles: frozenset[str] = frozenset()
    removed: bool = False
    sessions_from: datetime | None = None

    @property
    def may_ask(self) -> bool:
        return not self.roles.isdisjoint(ASKERS)

    @property
    def person(self) -> Person:
        return Person(id=self.id, email=self.email, name=self.name)

    @property
    def engineer(self) -> Engineer:
        return Engineer(
            id=self.id,
            email=self.email,
            name=self.name,
            employer=self.employer,
            job_title=self.job_title,
            country=self.country,
        )

    @property
    def actor(self) -> Actor:
        """Name him as the one who does it: a manager where that is all he is."""
        only_manager = "manager" in self.roles and "engineer" not in self.roles
        return Actor(self.id, "manager" if only_manager else "engineer")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a caller: himself, whether his session was ended, and whether an event about him could not be read."""

    member: Member | None
    session_revoked: bool = False
    in_doubt: bool = False


def began(session: Session) -> datetime:
    """Give the instant a session began.

    The token has it in whole seconds; the session's id, a UUIDv7 made with it, to the millisecond: a session that began later
    in the second in which the older ones were ended is none of those.
    """
    issued = datetime.fromtimestamp(session.issued_at, UTC)
    try:
        identity = uuid.UUID(session.session_id)
    except ValueError:
        return issued
    made = datetime.fromtimestamp((identity.int >> 80) / 1000, UTC) if identity.version == _UUID7 else issued
    return made if 0 <= (made - issued).total_seconds() < 1 else issued


def admit(session: Session, standing: Standing) -> Member | Problem:
    """Admit a caller of the provider's realm: the member, or 401, 403 or 503 where he may not call at all."""
    member = standing.member
    over = standing.session_revoked or (
        member is not None
        and (member.removed or (member.sessions_from is not None and began(session) < member.sessions_from))
    )
    if over:
        return unauthorized("token_invalid", "This session has ended. Sign in again.")
    if standing.in_doubt:
        return unavailable(
            "An event about you could not be read; until that is mended nothing is done.", "state_unknown"
        )
    if member is None or not member.roles:
        return forbidden("This takes a role of the provider: engineer, manager or auditor.")
    return member


def admit_asker(session: Session, standing: Standing) -> Member | Problem:
    """As `admit`, for what only engineers and managers may do."""
    member = admit(session, standing)
    if isinstance(member, Problem) or member.may_ask:
        return member
    return forbidden("This takes the role engineer or manager.")


def sees(member: Member, engineer_id: str) -> bool:
    """Say whether a member sees the requests of an engineer."""
    return not member.roles.isdisjoint(OVERSEERS) or (member.may_ask and member.id == engineer_id)
