"""The gate's decision: allowed only when everything known says so, and refused for the first thing that does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.request_api.domain.gate import Action, Allowed, GrantPicture, Picture, Refused, decide
from shared.events.values import Resource
from tests.unit.request_api.made import HOUR, NOW

STALENESS = timedelta(seconds=5)
SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)
GRANT = GrantPicture(
    grant_id="grant",
    tenant="contoso",
    engineer_id="eve",
    access_from=NOW - HOUR,
    access_until=NOW + HOUR,
    closed_at=None,
    resources=[Resource(id="exchange-online/mailboxes/alice", operations=["read"])],
)
PICTURE = Picture(complete_until=NOW - SECOND, in_doubt=False, grant=GRANT, engineer_may=True)
ACTION = Action(
    grant_id="grant",
    tenant="contoso",
    engineer_id="eve",
    token_until=NOW + HOUR,
    resource="exchange-online/mailboxes/alice/inbox",
    operation="read",
)


def decided(picture: Picture = PICTURE, action: Action = ACTION, now: datetime = NOW) -> str:
    outcome = decide(picture, action, now, staleness=STALENESS)
    return outcome.code if isinstance(outcome, Refused) else "allowed"


def granted(**changes: Any) -> Picture:
    return replace(PICTURE, grant=replace(GRANT, **changes))


def test_what_was_granted_is_allowed_while_the_grant_lives() -> None:
    assert decided() == "allowed"
    assert decided(now=GRANT.access_from, picture=replace(PICTURE, complete_until=GRANT.access_from)) == "allowed"


def test_the_picture_may_be_as_old_as_the_bound_and_one_second_ahead_and_no_more() -> None:
    for heard, outcome in (
        (NOW - STALENESS, "allowed"),
        (NOW - STALENESS - MOMENT, "state_stale"),
        (NOW + SECOND, "allowed"),
        (NOW + SECOND + MOMENT, "state_stale"),
        (None, "state_stale"),
    ):
        assert decided(replace(PICTURE, complete_until=heard)) == outcome


def test_a_grant_in_doubt_or_unknown_is_refused() -> None:
    assert decided(replace(PICTURE, in_doubt=True)) == "state_unknown"
    assert decided(replace(PICTURE, grant=None)) == "state_unknown"


def test_a_closed_grant_is_refused_whenever_it_was_closed() -> None:
    for closed_at in (NOW - HOUR, NOW, NOW + HOUR):
        assert decided(granted(closed_at=closed_at)) == "grant_ended"


def test_the_interval_of_a_grant_is_half_open() -> None:
    assert decided(granted(access_until=NOW)) == "grant_ended"
    assert decided(granted(access_until=NOW + MOMENT)) == "allowed"
    assert decided(granted(access_from=NOW + MOMENT)) == "not_started"


def test_an_engineer_without_his_role_is_refused() -> None:
    assert decided(replace(PICTURE, engineer_may=False)) == "grant_ended"


def test_a_token_for_another_grant_tenant_or_engineer_is_refused() -> None:
    for other in (
        replace(ACTION, grant_id="another"),
        replace(ACTION, tenant="fabrikam"),
        replace(ACTION, engineer_id="erin"),
    ):
        assert decided(action=other) == "token_invalid"


def test_an_expired_token_is_refused() -> None:
    assert decided(action=replace(ACTION, token_until=NOW)) == "token_invalid"


def test_only_the_granted_operations_on_the_granted_path_and_below_are_in_scope() -> None:
    for resource, operation, outcome in (
        ("exchange-online/mailboxes/alice", "read", "allowed"),
        ("exchange-online/mailboxes/alice/inbox/1", "read", "allowed"),
        ("exchange-online/mailboxes/alice", "write", "out_of_scope"),
        ("exchange-online/mailboxes/alice2", "read", "out_of_scope"),
        ("exchange-online/mailboxes/Alice", "read", "out_of_scope"),
        ("exchange-online/mailboxes", "read", "out_of_scope"),
        ("exchange-online", "read", "out_of_scope"),
    ):
        assert decided(action=replace(ACTION, resource=resource, operation=operation)) == outcome


def test_the_live_state_counts_before_the_scope() -> None:
    outside = replace(ACTION, resource="exchange-online/mailboxes/bob")
    assert decided(granted(closed_at=NOW), outside) == "grant_ended"
    assert decided(replace(PICTURE, complete_until=None), outside) == "state_stale"


moments = st.timedeltas(min_value=-4 * HOUR, max_value=4 * HOUR).map(lambda distance: NOW + distance)
pictures = st.builds(
    Picture,
    complete_until=st.none() | moments | st.just(NOW),
    in_doubt=st.booleans(),
    grant=st.none()
    | st.builds(
        GrantPicture,
        grant_id=st.sampled_from(["grant", "another"]),
        tenant=st.sampled_from(["contoso", "fabrikam"]),
        engineer_id=st.sampled_from(["eve", "erin"]),
        access_from=moments,
        access_until=moments,
        closed_at=st.none() | moments,
        resources=st.lists(
            st.builds(
                Resource,
                id=st.sampled_from(["exchange-online", "exchange-online/mailboxes/alice", "exchange-online/mail"]),
                operations=st.lists(st.sampled_from(["read", "write"])),
            )
        ),
    ),
    engineer_may=st.booleans(),
)
actions = st.builds(
    Action,
    grant_id=st.sampled_from(["grant", "another"]),
    tenant=st.sampled_from(["contoso", "fabrikam"]),
    engineer_id=st.sampled_from(["eve", "erin"]),
    token_until=moments,
    resource=st.sampled_from(["exchange-online/mailboxes/alice", "exchange-online/mailboxes/alice/inbox", "exchange"]),
    operation=st.sampled_from(["read", "write", "delete"]),
)


@given(pictures, actions)
def test_nothing_is_allowed_unless_every_condition_holds(picture: Picture, action: Action) -> None:
    outcome = decide(picture, action, NOW, staleness=STALENESS)
    grant = picture.grant
    holds = (
        grant is not None
        and picture.complete_until is not None
        and NOW - STALENESS <= picture.complete_until <= NOW + SECOND
        and not picture.in_doubt
        and picture.engineer_may
        and (grant.grant_id, grant.tenant, grant.engineer_id) == (action.grant_id, action.tenant, action.engineer_id)
        and grant.closed_at is None
        and grant.access_from <= NOW < grant.access_until
        and action.token_until > NOW
        and any(
            action.operation in one.operations and f"{action.resource}/".startswith(f"{one.id}/")
            for one in grant.resources
        )
    )
    assert isinstance(outcome, Allowed) == holds
