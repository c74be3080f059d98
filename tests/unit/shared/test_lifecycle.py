"""The fold of a request's life: the same events give the same state in whatever order, and however often, they come."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.events import access, requests
from shared.events.envelope import Draft, Event, new_id, service_actor, write
from shared.events.values import Data, Decider, Engineer, Person, Reason, Resource
from shared.lifecycle import RequestState, evolve

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REQUEST, GRANT = new_id(), new_id()
EVE = Engineer(id="e", email="eve@provider.example", name="Eve")
DANA = Decider(id="d", email="dpo@contoso.example", name="Dana", roles=["lockbox_approver"], method="password")
RESOURCES = [Resource(id="exchange-online/mailboxes/alice", operations=["read"])]
FACTS = {"request_id": REQUEST, "tenant": "contoso"}
DECISION = {
    **FACTS,
    "comment": None,
    "resources": RESOURCES,
    "duration": timedelta(hours=2),
    "settings_version": 1,
    "request_digest": "d",
}


def approved() -> requests.RequestApproved:
    return requests.RequestApproved(
        **DECISION,
        approver=DANA,
        grant_id=GRANT,
        basis="customer_decision",
        access_from=T0 + timedelta(hours=1),
        access_until=T0 + timedelta(hours=3),
        engineer=EVE,
        service="exchange-online",
    )


def everything() -> dict[str, tuple[str, Data]]:
    """Return one event of each kind in a request's life, with its source."""
    grant = {**FACTS, "grant_id": GRANT}
    return {
        "submitted": (
            "request_api",
            requests.RequestSubmitted(
                **FACTS,
                service="exchange-online",
                ticket="T",
                reason=Reason(category="customer_support", detail="why"),
                resources=RESOURCES,
                duration=timedelta(hours=2),
                engineer=EVE,
                submitted_at=T0,
                decide_by=T0 + timedelta(hours=12),
            ),
        ),
        "asked": ("approval", requests.InformationRequested(**FACTS, by=DANA, text="why?")),
        "answered": ("request_api", requests.InformationProvided(**FACTS, by=EVE, text="because")),
        "provider_approved": (
            "approval",
            requests.ProviderApproved(**DECISION, approver=DANA, approvals_required=1),
        ),
        "provider_denied": ("approval", requests.ProviderDenied(**DECISION, approver=DANA)),
        "voted": ("approval", requests.VoteCast(**DECISION, approver=DANA, vote="approve")),
        "approved": ("approval", approved()),
        "denied": ("approval", requests.RequestDenied(**DECISION, approver=None, code="c")),
        "expired": ("approval", requests.RequestExpired(**FACTS, decide_by=T0, stage="customer")),
        "withdrawn": ("request_api", requests.RequestWithdrawn(**FACTS, by=EVE)),
        "token": (
            "request_api",
            access.AccessTokenIssued(**grant, token_id="t", engineer=EVE, access_until=T0 + timedelta(hours=3)),
        ),
        "released": ("request_api", access.AccessReleased(**grant, by=EVE)),
        "revoked": (
            "approval",
            access.AccessRevoked(**grant, by=Person(id="d", email="d@x.example", name="D"), reason="r"),
        ),
        "clock": ("expiry", access.AccessExpired(**grant, access_until=T0 + timedelta(hours=3))),
    }


def event(name: str, minutes: int, sequence: int = 1) -> Event:
    service, data = everything()[name]
    draft = Draft(data, "contoso", REQUEST, service_actor(service))
    return write(draft, service=service, sequence=sequence, time=T0 + timedelta(minutes=minutes))


def fold(events: Sequence[Event]) -> RequestState:
    state = RequestState()
    for one in events:
        state = evolve(state, one)
    return state


lives = st.lists(
    st.tuples(st.sampled_from(sorted(everything())), st.integers(0, 300)),
    min_size=1,
    max_size=14,
    unique_by=lambda one: one[0],
)


@given(lives, st.randoms())
def test_order_and_number_of_deliveries_do_not_matter(life: list[tuple[str, int]], random: object) -> None:
    import random as module

    assert isinstance(random, module.Random)
    events = [event(name, minutes, number) for number, (name, minutes) in enumerate(life, 1)]
    twice = events + random.sample(events, random.randint(0, len(events)))
    random.shuffle(twice)
    assert fold(twice) == fold(events)


@given(lives, st.integers(0, 600))
def test_access_is_never_shown_without_an_approval_and_never_after_its_end(
    life: list[tuple[str, int]], minutes: int
) -> None:
    state = fold([event(name, at, number) for number, (name, at) in enumerate(life, 1)])
    now = T0 + timedelta(minutes=minutes)
    shown = state.state(now)
    if shown in {"approved", "active"}:
        assert state.approved is not None
        assert now < state.approved.access_until
        assert {name for name, _ in life}.isdisjoint({"withdrawn", "revoked", "released", "clock", "denied", "expired"})


def shown(*life: tuple[str, int], at: int) -> tuple[str, str | None]:
    view = fold([event(name, minutes) for name, minutes in life]).view(T0 + timedelta(minutes=at))
    return view.state, view.ended_by


def test_a_request_is_shown_as_the_contract_names_its_states() -> None:
    life = [("submitted", 0)]
    assert shown(*life, at=1) == ("awaiting_provider", None)
    life.append(("provider_approved", 5))
    assert shown(*life, at=6) == ("awaiting_customer", None)
    assert shown(*life, ("denied", 7), at=8) == ("denied", None)
    assert shown(*life, ("expired", 7), at=8) == ("expired", None)
    assert shown(*life, ("withdrawn", 7), at=8) == ("withdrawn", None)
    life += [("voted", 10), ("approved", 10)]
    assert shown(*life, at=11) == ("approved", None)
    assert shown(*life, ("withdrawn", 12), ("revoked", 13), at=14) == ("withdrawn", None)
    life.append(("token", 20))
    assert shown(*life, at=21) == ("active", None)
    assert shown(*life, ("released", 70), at=71) == ("ended", "released")
    assert shown(*life, ("revoked", 70), at=71) == ("ended", "revoked")
    assert shown(*life, at=180) == ("ended", "expired")


def test_of_several_ends_the_first_counts() -> None:
    life = [("submitted", 0), ("provider_approved", 1), ("approved", 2), ("token", 3)]
    assert shown(*life, ("revoked", 80), ("released", 70), ("clock", 180), at=200) == ("ended", "released")
    assert shown(*life, ("clock", 181), ("revoked", 190), at=200) == ("ended", "expired")
    view = fold([event(name, minutes) for name, minutes in [*life, ("revoked", 70)]]).view(T0 + timedelta(minutes=500))
    assert view.grant is not None
    assert view.grant.ended_at == T0 + timedelta(minutes=70)
