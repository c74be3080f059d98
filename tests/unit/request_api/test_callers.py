"""Who is admitted: by the roles held now and by what has ended his sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.request_api.domain.people import Member, Standing, admit, admit_asker, began, sees
from shared.security.tokens import Session
from shared.web.problems import Problem
from tests.unit.request_api.made import EVE, NOW

MILLISECOND = timedelta(milliseconds=1)


def id_made_at(moment: datetime) -> str:
    """Make a UUIDv7 (RFC 9562, 5.7)."""
    milliseconds = int(moment.timestamp() * 1000)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62))


def session(at: datetime = NOW, session_id: str | None = None) -> Session:
    made = session_id or id_made_at(at)
    issued = float(int(at.timestamp()))
    return Session(EVE.id, "provider", EVE.email, made, issued, issued + 3600)


def code(outcome: Member | Problem) -> tuple[int, str] | None:
    return (outcome.status, outcome.code) if isinstance(outcome, Problem) else None


def test_a_member_with_a_role_is_admitted() -> None:
    assert admit(session(), Standing(EVE)) == EVE


@pytest.mark.parametrize(
    ("standing", "refused"),
    [
        (Standing(EVE, session_revoked=True), (401, "token_invalid")),
        (Standing(replace(EVE, removed=True, roles=frozenset())), (401, "token_invalid")),
        (Standing(replace(EVE, sessions_from=NOW + MILLISECOND)), (401, "token_invalid")),
        (Standing(EVE, in_doubt=True), (503, "state_unknown")),
        (Standing(None), (403, "forbidden")),
        (Standing(replace(EVE, roles=frozenset())), (403, "forbidden")),
    ],
)
def test_whoever_may_not_call_is_told_why(standing: Standing, refused: tuple[int, str]) -> None:
    assert code(admit(session(), standing)) == refused


def test_only_engineers_and_managers_may_ask() -> None:
    for role, refused in (("engineer", None), ("manager", None), ("auditor", 403), ("operator", 403)):
        outcome = admit_asker(session(), Standing(replace(EVE, roles=frozenset({role}))))
        assert (outcome.status if isinstance(outcome, Problem) else None) == refused


def test_a_session_that_began_later_in_the_same_second_outlives_the_end_of_the_older_ones() -> None:
    ended = datetime(2026, 3, 4, 5, 6, 7, 500000, tzinfo=UTC)
    member = replace(EVE, sessions_from=ended)
    assert code(admit(session(ended - MILLISECOND), Standing(member))) == (401, "token_invalid")
    assert code(admit(session(ended + MILLISECOND), Standing(member))) is None


def test_a_session_is_as_old_as_its_token_says_where_its_id_tells_nothing() -> None:
    whole = NOW.replace(microsecond=0)
    for session_id in ("no uuid", "00000000-0000-4000-8000-000000000000", id_made_at(NOW - timedelta(days=1))):
        assert began(session(NOW, session_id)) == whole


def test_engineers_see_their_own_requests_and_overseers_all() -> None:
    others = [
        (role, sees(replace(EVE, roles=frozenset({role})), "another")) for role in ("engineer", "manager", "auditor")
    ]
    assert others == [("engineer", False), ("manager", True), ("auditor", True)]
    assert sees(EVE, EVE.id)
    assert not sees(replace(EVE, roles=frozenset({"operator"})), EVE.id)


def test_the_record_says_in_which_role_somebody_acts() -> None:
    for roles, kind in (({"engineer"}, "engineer"), ({"manager"}, "manager"), ({"manager", "engineer"}, "engineer")):
        assert replace(EVE, roles=frozenset(roles)).actor.type == kind
