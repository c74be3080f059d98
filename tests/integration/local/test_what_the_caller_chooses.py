"""Flags and settings of `lockbox up`: what does not go together is told in one line, before anything is started."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from deploy.local import account
from deploy.local.account import Account, make_home
from deploy.local.choices import Choices, choose, passed_on
from deploy.local.process import StartError
from deploy.local.state import DataFolder
from lockbox.cli import run

DATABASE = "postgresql://admin:pw@127.0.0.1:5432/postgres"
BROKER = "amqp://admin:pw@127.0.0.1:5672/"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LOCKBOX_")]:
        monkeypatch.delenv(name)


def chosen(*, demo: bool = False, database_url: str | None = None, amqp_url: str | None = None) -> Choices:
    return choose(data=Path("unused"), port_base=8000, demo=demo, database_url=database_url, amqp_url=amqp_url)


def refusal(**choices: str | bool) -> str:
    with pytest.raises(StartError) as refused:
        chosen(**choices)  # type: ignore[arg-type]  # the test's own words
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_demo_on_a_database_or_broker_of_one_s_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--demo" in refusal(demo=True, database_url=DATABASE)
    assert "--demo" in refusal(demo=True, amqp_url=BROKER)
    monkeypatch.setenv("LOCKBOX_DATABASE_URL", DATABASE)
    assert "--demo" in refusal(demo=True)


def test_a_broker_without_its_management_is_refused_with_the_way_to_do_it_by_hand() -> None:
    assert "deploy/rabbitmq/definitions.json" in refusal(amqp_url=BROKER)


def test_addresses_come_from_flags_first_and_then_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKBOX_AMQP_URL", BROKER)
    monkeypatch.setenv("LOCKBOX_AMQP_MANAGEMENT_URL", "http://admin:pw@127.0.0.1:15672")
    monkeypatch.setenv("LOCKBOX_DATABASE_URL", "postgresql://another")
    choices = chosen(database_url=DATABASE)
    assert (choices.database_url, choices.amqp_url) == (DATABASE, BROKER)
    assert choices.management_url == "http://admin:pw@127.0.0.1:15672"


def test_wrong_addresses_and_unknown_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "postgresql://" in refusal(database_url="mysql://x")
    monkeypatch.setenv("LOCKBOX_PROT", "1")
    assert "LOCKBOX_PROT is not a setting" in refusal()


def test_a_service_gets_the_caller_s_settings_but_no_administrator_s_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKBOX_MIN_DECISION_WINDOW", "PT1S")
    monkeypatch.setenv("LOCKBOX_CONFIG", "lockbox.toml")
    monkeypatch.setenv("LOCKBOX_DATABASE_URL", DATABASE)
    monkeypatch.setenv("LOCKBOX_AMQP_MANAGEMENT_URL_FILE", "secret")
    monkeypatch.setenv("LOCKBOX_DEMO_PASSWORD", "secret")
    assert passed_on() == {"LOCKBOX_MIN_DECISION_WINDOW": "PT1S", "LOCKBOX_CONFIG": str(Path("lockbox.toml").resolve())}


def test_wrong_usage_ends_with_2_and_a_refusal_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code in ((["up", "--port-base", "x"], 2), (["up", "--demo", "--amqp-url", BROKER], 1)):
        assert run(arguments) == code
    assert capsys.readouterr().err.endswith("one's own\n")


def test_what_was_chosen_once_is_kept_and_a_copy_of_the_folder_is_another_system(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "one")
    kept = (first.log_origin(), first.secret("password"), first.port("smtp"), first.mark)
    again = DataFolder(tmp_path / "one")
    assert (again.log_origin(), again.secret("password"), again.port("smtp"), again.mark) == kept
    (tmp_path / "one").rename(tmp_path / "two")
    assert DataFolder(tmp_path / "two").mark != kept[-1]


def test_a_server_s_account_that_cannot_enter_the_folder_gets_one_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "ELSEWHERE", tmp_path / "elsewhere")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    ourselves = Account("ourselves", os.geteuid(), os.getegid())
    home = make_home(closed / "postgres", ourselves)
    assert home.parent == tmp_path / "elsewhere"
    assert make_home(closed / "postgres", ourselves) == home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert make_home(closed / "postgres", None) == closed / "postgres"
