"""A tenant's settings as a form: what is filled in comes back the same, and what people send is read as they meant it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.approval.portal import settings_form
from shared.web.fields import format_duration

NOW: dict[str, Any] = {
    "enabled": True,
    "decision_window": "PT12H",
    "max_duration": "PT4H",
    "approvals_required": 2,
    "services": ["exchange-online", "skype-for-business"],
    "notify": ["soc@contoso.example"],
    "reminders": [{"left": "PT6H", "to": "approvers"}, {"left": "PT90M", "to": "global_admins"}],
    "links_in_mail": True,
    "second_factor": "any",
    "sinks": [],
    "version": 3,
}
durations = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=14)).map(
    lambda length: format_duration(timedelta(seconds=max(1, int(length.total_seconds()))))
)


def test_a_form_that_is_sent_unchanged_changes_nothing() -> None:
    body, errors = settings_form.read(settings_form.fill_in(NOW), sinks=[])
    assert not errors
    assert body == NOW | {
        "reminders": [{"left": "PT6H", "to": "approvers"}, {"left": "PT1H30M", "to": "global_admins"}]
    }


@given(window=durations, left=durations, on=st.booleans(), factor=st.sampled_from(["off", "any", "passkey"]))
def test_whatever_the_settings_are_the_form_gives_them_back(window: str, left: str, on: bool, factor: str) -> None:
    settings = NOW | {
        "enabled": on,
        "decision_window": window,
        "second_factor": factor,
        "reminders": [{"left": left, "to": "approvers"}],
    }
    body, errors = settings_form.read(settings_form.fill_in(settings), sinks=[])
    assert not errors
    assert body == settings


@pytest.mark.parametrize(
    ("duration", "said"),
    [("PT12H", ("12", "hours")), ("P14D", ("14", "days")), ("PT90M", ("90", "minutes")), ("PT61S", ("61", "seconds"))],
)
def test_a_duration_is_said_in_the_largest_unit_that_divides_it(duration: str, said: tuple[str, str]) -> None:
    assert settings_form.spoken(duration) == said


@pytest.mark.parametrize("text", ["", "  ", "0", "-1", "1.5", "twelve", "1e3", "9" * 40, "1 2", "²"])
def test_what_is_no_number_is_said_at_its_field(text: str) -> None:
    _, errors = settings_form.read(settings_form.fill_in(NOW) | {"decision_window": text}, sinks=[])
    assert errors == [("decision_window", settings_form.NOT_A_NUMBER)]


def test_an_emptied_row_is_no_reminder_and_errors_find_the_row_that_they_are_about() -> None:
    fields = settings_form.fill_in(NOW) | {"reminders.0.left": "", "reminders.7.left": "5", "reminders.7.unit": "days"}
    body, errors = settings_form.read(fields, sinks=[])
    assert not errors
    assert body["reminders"] == [{"left": "PT1H30M", "to": "global_admins"}, {"left": "P5D", "to": "approvers"}]
    assert settings_form.at_field("reminders.1.left", fields) == "reminders.7.left"
    assert settings_form.at_field("reminders.9.left", fields) == "reminders"
    assert settings_form.at_field("services.0", fields) == "services"
    assert settings_form.at_field("approvals_required", fields) == "approvals_required"


def test_addresses_may_stand_on_lines_or_behind_commas() -> None:
    fields = settings_form.fill_in(NOW) | {"notify": "a@x.example, b@x.example\r\n\r\n c@x.example;"}
    assert settings_form.read(fields, sinks=[])[0]["notify"] == ["a@x.example", "b@x.example", "c@x.example"]


@pytest.mark.parametrize(
    ("change", "weakens"),
    [
        ({"enabled": False}, True),
        ({"approvals_required": 1}, True),
        ({"approvals_required": 3}, False),
        ({"second_factor": "off"}, True),
        ({"second_factor": "passkey"}, False),
        ({"decision_window": "PT24H"}, True),
        ({"decision_window": "PT90M"}, False),
        ({"services": ["exchange-online"]}, True),
        ({"services": ["skype-for-business", "exchange-online", "sharepoint-online"]}, False),
        ({"notify": []}, False),
    ],
)
def test_a_difference_says_whether_it_weakens_protection(change: dict[str, Any], weakens: bool) -> None:
    [difference] = settings_form.differences(NOW, NOW | change)
    assert difference.weakens is weakens


def test_the_order_of_services_means_nothing() -> None:
    assert settings_form.differences(NOW, NOW | {"services": NOW["services"][::-1]}) == []
