"""A change of a tenant's settings is recorded as what changed, and nobody chooses what the contract forbids."""

from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approval.domain.refusals import Forbidden, Invalid, Refused
from services.approval.domain.tenants import Limits, Tenant, change_settings, evolve, register, weakens
from shared.events.tenants import LockboxDisabled, LockboxEnabled, TenantSettingsChanged
from shared.events.values import Data, Reminder, SecondFactor, Settings
from tests.unit.approval.lives import DPO, SERVICES

LIMITS = Limits(shortest_window=timedelta(minutes=15), services=SERVICES, deciders=3)
WANTED = st.builds(
    Settings,
    enabled=st.booleans(),
    decision_window=st.integers(15, 14 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    max_duration=st.integers(1, 14400).map(lambda seconds: timedelta(seconds=seconds)),
    services=st.lists(st.sampled_from(SERVICES), unique=True),
    notify=st.lists(st.sampled_from(["soc@contoso.example", "ciso@contoso.example"]), unique=True),
    reminders=st.lists(
        st.builds(Reminder, left=st.just(timedelta(hours=1)), to=st.sampled_from(["approvers", "global_admins"])),
        unique_by=lambda one: one.to,
    ),
    links_in_mail=st.booleans(),
    approvals_required=st.integers(1, 3),
    second_factor=st.sampled_from(get_args(SecondFactor)),
)


def tenant(*, entitled: bool = True, version: int = 5, **settings: Any) -> Tenant:
    return Tenant("contoso", "Contoso", entitled, Settings(**({"services": SERVICES} | settings)), version)


def change(now: Tenant, wanted: Settings, version: int | None = None) -> list[Data]:
    return change_settings(now, wanted, version=now.version if version is None else version, by=DPO, limits=LIMITS)


@given(was=WANTED, wanted=WANTED)
def test_the_facts_lead_from_what_was_to_what_is_wanted(was: Settings, wanted: Settings) -> None:
    now = Tenant("contoso", "Contoso", entitled=True, settings=was, version=5)
    facts = change(now, wanted)
    then = now
    for fact in facts:
        then = evolve(then, fact)
        assert then.version == getattr(fact, "settings_version")  # noqa: B009 - Every fact of these has it.
    assert then.version == now.version + len(facts)
    unordered = {"services", "notify"}
    for name in Settings.model_fields:
        one, other = getattr(then.settings, name), getattr(wanted, name)
        assert sorted(one) == sorted(other) if name in unordered else one == other
    assert change(then, wanted) == []


def test_switching_on_and_off_are_events_of_their_own() -> None:
    (on,) = change(tenant(), Settings(enabled=True, services=SERVICES))
    assert isinstance(on, LockboxEnabled)
    assert (on.by, on.settings_version) == (DPO, 6)
    assert (on.changes["enabled"].before, on.changes["enabled"].after) == (False, True)
    (off,) = change(tenant(enabled=True), Settings(services=SERVICES))
    assert isinstance(off, LockboxDisabled)
    off, changed = change(tenant(enabled=True), Settings(services=SERVICES, links_in_mail=False))
    assert isinstance(changed, TenantSettingsChanged)
    assert changed.settings_version == 7
    assert changed.settings.enabled is False
    assert changed.changes.keys() == {"links_in_mail"}


def test_lists_are_recorded_as_what_was_added_and_removed() -> None:
    now = tenant(notify=["a@contoso.example", "b@contoso.example"])
    (changed,) = change(now, Settings(services=SERVICES, notify=["b@contoso.example", "c@contoso.example"]))
    assert isinstance(changed, TenantSettingsChanged)
    said = changed.changes["notify"]
    assert (said.added, said.removed) == (["c@contoso.example"], ["a@contoso.example"])


def test_the_lockbox_is_not_switched_on_without_entitlement_and_switched_off_with_or_without() -> None:
    with pytest.raises(Forbidden) as refused:
        change(tenant(entitled=False), Settings(enabled=True, services=SERVICES))
    assert refused.value.code == "not_entitled"
    assert change(tenant(entitled=False, enabled=True), Settings(services=SERVICES))
    kept = change(tenant(entitled=False, enabled=True), Settings(enabled=True, services=SERVICES, links_in_mail=False))
    assert [type(fact) for fact in kept] == [TenantSettingsChanged]


@pytest.mark.parametrize("version", [4, 6])
def test_settings_that_somebody_else_has_changed_are_not_overwritten(version: int) -> None:
    with pytest.raises(Refused) as refused:
        change(tenant(), Settings(services=SERVICES), version)
    assert refused.value.code == "settings_changed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decision_window", timedelta(minutes=14, seconds=59)),
        ("decision_window", timedelta(days=14, seconds=1)),
        ("max_duration", timedelta(hours=4, seconds=1)),
        ("approvals_required", 0),
        ("approvals_required", 4),
        ("services.1", ["exchange-online", "teams"]),
        ("services", ["exchange-online", "exchange-online"]),
        ("notify", ["a@contoso.example"] * 2),
        ("sinks", [{"name": "soc"}]),
    ],
)
def test_what_nobody_may_choose_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        change(tenant(), Settings(**{"services": SERVICES, field.partition(".")[0]: value}))
    assert [name for name, _ in refused.value.errors] == [field]


def test_a_new_tenant_has_the_lockbox_off_and_every_service_covered() -> None:
    fact = register("contoso", "Contoso", entitled=True, services=SERVICES)
    assert fact.settings == Settings(services=SERVICES)
    assert not fact.settings.enabled
    assert fact.settings_version == 1


LOCKED = Settings(
    enabled=True,
    decision_window=timedelta(hours=12),
    max_duration=timedelta(hours=2),
    approvals_required=2,
    services=SERVICES,
    notify=["soc@contoso.example"],
    second_factor="any",
)


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"decision_window": timedelta(hours=12, seconds=1)},
        {"max_duration": timedelta(hours=2, seconds=1)},
        {"approvals_required": 1},
        {"services": SERVICES[:1]},
        {"services": []},
        {"second_factor": "off"},
    ],
)
def test_what_makes_access_easier_weakens_and_its_contrary_does_not(change: dict[str, Any]) -> None:
    loose = LOCKED.model_copy(update=change)
    assert weakens(LOCKED, loose)
    assert not weakens(loose, LOCKED)
    # Something that strengthens beside it is no excuse.
    assert weakens(LOCKED.model_copy(update={"links_in_mail": True}), loose.model_copy(update={"links_in_mail": False}))


@pytest.mark.parametrize(
    "change",
    [
        {"notify": []},
        {"reminders": [Reminder(left=timedelta(hours=1), to="approvers")]},
        {"links_in_mail": False},
        {"services": SERVICES[::-1]},
        {"second_factor": "passkey"},
        {"approvals_required": 3},
    ],
)
def test_what_makes_access_no_easier_weakens_nothing(change: dict[str, Any]) -> None:
    assert not weakens(LOCKED, LOCKED.model_copy(update=change))


def test_a_number_of_approvals_that_people_have_left_behind_keeps_nobody_from_changing_something_else() -> None:
    now = tenant(approvals_required=5)
    (changed,) = change(now, Settings(services=SERVICES, approvals_required=5, links_in_mail=False))
    assert isinstance(changed, TenantSettingsChanged)
    assert changed.changes.keys() == {"links_in_mail"}
