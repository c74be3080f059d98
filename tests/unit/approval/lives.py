"""What the tests of the decisions share: people, a request, a world, and time that moves when it is told to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.approval.domain.requests import World
from shared.events.envelope import Actor, Draft, Event, new_id, write
from shared.events.requests import RequestSubmitted
from shared.events.values import Data, Decider, Engineer, Reason, Resource, Settings
from shared.lifecycle import RequestState, evolve

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TENANT = "contoso"
EVE = Engineer(id=new_id(), email="eve@provider.example", name="Eve Engel")
MAX = Decider(id=new_id(), email="max@provider.example", name="Max Moreau", roles=["manager"], method="password")
MIA = Decider(id=new_id(), email="mia@provider.example", name="Mia Marsh", roles=["manager"], method="password")
DPO = Decider(id=new_id(), email="dpo@contoso.example", name="Dana", roles=["lockbox_approver"], method="password")
ADMIN = Decider(id=new_id(), email="admin@contoso.example", name="Alex", roles=["global_admin"], method="password")
SERVICES = ["exchange-online", "sharepoint-online"]
MAILBOX = Resource(id="exchange-online/mailboxes/alice", operations=["read", "write"])


def submission(**changes: Any) -> RequestSubmitted:
    facts: dict[str, Any] = {
        "request_id": new_id(),
        "tenant": TENANT,
        "service": "exchange-online",
        "ticket": "T-1",
        "reason": Reason(category="customer_support", detail="The mailbox does not open."),
        "resources": [MAILBOX],
        "duration": timedelta(hours=2),
        "engineer": EVE,
        "submitted_at": NOW,
        "decide_by": NOW + timedelta(hours=12),
    }
    return RequestSubmitted(**(facts | changes))


def told(fact: Any, now: datetime = NOW, *, service: str = "approval", id: str | None = None) -> Event:  # noqa: A002 - As events call it.
    """Write the event of a fact about a request."""
    actor = Actor(EVE.id, "engineer")
    draft = Draft(fact, TENANT, fact.request_id, actor, revision=1, correlation_id=fact.request_id, id=id or new_id())
    return write(draft, service=service, sequence=1, time=now)


def after(*facts: Data, now: datetime = NOW, state: RequestState | None = None) -> RequestState:
    """Fold facts that happened at `now`."""
    state = state or RequestState()
    for fact in facts:
        state = evolve(state, told(fact, now))
    return state


def world(*, engineer_may: bool = True, excluded: frozenset[str] = frozenset(), **settings: Any) -> World:
    chosen: dict[str, Any] = {"enabled": True, "services": SERVICES}
    return World(
        settings=Settings(**(chosen | settings)),
        settings_version=3,
        engineer_may=engineer_may,
        offered=dict.fromkeys(SERVICES, excluded),
    )
