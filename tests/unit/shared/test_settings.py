"""Settings: read once, checked at the start, and what is wrong is said in one line."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from shared.settings import PREFIX, SERVICES, Settings, SettingsError, check_names, known_names, read_settings, table

ROOT = Path(__file__).parents[3]
NEEDED = {
    "LOCKBOX_DATABASE_URL": "postgresql://approval:db-pw@127.0.0.1:5432/approval",
    "LOCKBOX_AMQP_URL": "amqp://approval:mq-pw@127.0.0.1:5672/lockbox",
    "LOCKBOX_INTERNAL_SECRET": "0123456789abcdef0123456789abcdef",
    "LOCKBOX_TOKEN_KEY_FILE": "/run/key.pem",
}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def read(
    monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str | None] = {}, service: str = "approval"
) -> Settings:
    for name, value in {**NEEDED, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return read_settings(service)


def refusal(monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str | None], service: str = "approval") -> str:
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, changes, service)
    return str(caught.value)


def test_what_is_not_set_has_the_defaults_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert settings.min_decision_window == timedelta(minutes=15)
    assert settings.gate_staleness == timedelta(seconds=5)
    assert settings.session_lifetime == timedelta(hours=1)
    assert settings.outbound_allow == ()
    assert settings.log_level == "info"
    assert settings.mail_from == "Lockbox <lockbox@localhost>"
    assert settings.host == "127.0.0.1"
    assert not settings.demo


def test_the_services_covered_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    covered = {service.id: service.excludes for service in read(monkeypatch).catalogue}
    assert covered == {
        "exchange-online": (),
        "sharepoint-online": (),
        "onedrive-for-business": (),
        "skype-for-business": ("meeting-recordings", "meeting-uploads"),
    }


def test_each_service_has_its_own_port_unless_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [read(monkeypatch, service=service).port for service in SERVICES] == [8000, 8001, 8002, 8003, 8004]
    assert read(monkeypatch, {"LOCKBOX_PORT": "9000"}, "audit").port == 9000


def test_values_are_read_in_their_own_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        {
            "LOCKBOX_MIN_DECISION_WINDOW": "PT1S",
            "LOCKBOX_OUTBOUND_ALLOW": "10.1.0.0/16, fd00::/8",
            "LOCKBOX_DEMO": "1",
            "LOCKBOX_LOG_LEVEL": "DEBUG",
            "LOCKBOX_APPROVAL_URL": "https://lockbox.example/",
            "LOCKBOX_CATALOGUE": '[{"id": "mail", "name": "Mail", "excludes": ["archive"]}]',
        },
    )
    assert settings.min_decision_window == timedelta(seconds=1)
    assert settings.outbound_allow == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert settings.demo
    assert settings.log_level == "debug"
    assert settings.approval_url == "https://lockbox.example"
    assert settings.catalogue[0].excludes == ("archive",)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, {"LOCKBOX_SMTP_USER": "", "LOCKBOX_PORT": "", "LOCKBOX_SMTP_PASSWORD_FILE": ""})
    assert (settings.smtp_user, settings.port) == (None, 8001)


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("f" * 32 + "\n")
    settings = read(monkeypatch, {"LOCKBOX_INTERNAL_SECRET": None, "LOCKBOX_INTERNAL_SECRET_FILE": str(path)})
    assert settings.internal_secret.get_secret_value() == "f" * 32


def test_a_toml_file_is_read_and_the_environment_counts_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("f" * 32)
    path = tmp_path / "lockbox.toml"
    path.write_text(
        f'port = 9001\nlog_level = "warning"\ngate_staleness = "PT2S"\ninternal_secret_file = "{secret}"\n'
        '[[catalogue]]\nid = "mail"\nname = "Mail"\nexcludes = ["archive"]\n'
    )
    changes = {"LOCKBOX_CONFIG": str(path), "LOCKBOX_LOG_LEVEL": "error", "LOCKBOX_INTERNAL_SECRET": None}
    settings = read(monkeypatch, changes)
    assert (settings.port, settings.log_level, settings.gate_staleness) == (9001, "error", timedelta(seconds=2))
    assert settings.internal_secret.get_secret_value() == "f" * 32
    assert settings.catalogue[0].id == "mail"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prot = 1", "prot in .* is not a setting: did you mean port"),
        ("port = ", "is not TOML"),
        ("port = 'many'", "LOCKBOX_PORT must be a whole number"),
        ("[[catalogue]]\nid = 'Mail'\nname = 'x'", r"LOCKBOX_CATALOGUE \(0.id\) must be an operation"),
        ("[[catalogue]]\nid = 'mail'", r"LOCKBOX_CATALOGUE \(0.name\) is required"),
        ("internal_secret_file = '/nowhere'", "/nowhere cannot be read"),
    ],
)
def test_a_wrong_toml_file_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "lockbox.toml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=said):
        read(monkeypatch, {"LOCKBOX_CONFIG": str(path), "LOCKBOX_INTERNAL_SECRET": "x" * 32})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"LOCKBOX_PORT": "many"}, "LOCKBOX_PORT must be a whole number"),
        ({"LOCKBOX_PORT": "70000"}, "LOCKBOX_PORT must be at most 65535"),
        ({"LOCKBOX_GATE_STALENESS": "5"}, "LOCKBOX_GATE_STALENESS must be a duration like PT2H"),
        ({"LOCKBOX_SESSION_LIFETIME": "P2D"}, "LOCKBOX_SESSION_LIFETIME must be at most"),
        (
            {"LOCKBOX_OUTBOUND_ALLOW": "10.0.0.1/8"},
            "LOCKBOX_OUTBOUND_ALLOW must be networks such as .*: 10.0.0.1/8 is none",
        ),
        ({"LOCKBOX_LOG_LEVEL": "loud"}, "LOCKBOX_LOG_LEVEL must be one of 'debug', 'info'"),
        ({"LOCKBOX_DATABASE_URL": "mysql://x"}, "LOCKBOX_DATABASE_URL must be an address beginning with postgresql://"),
        ({"LOCKBOX_AMQP_URL": "http://x"}, "LOCKBOX_AMQP_URL must be an address beginning with amqp://"),
        ({"LOCKBOX_AUDIT_URL": "audit:8002"}, "LOCKBOX_AUDIT_URL must be an address beginning with http://"),
        ({"LOCKBOX_AUDIT_URL": "http://audit:port"}, "LOCKBOX_AUDIT_URL must be an address with a valid host and port"),
        (
            {"LOCKBOX_INTERNAL_SECRET": "short"},
            "LOCKBOX_INTERNAL_SECRET must have at least 32 characters, letters, digits and .* alone: openssl rand",
        ),
        ({"LOCKBOX_INTERNAL_SECRET": None}, "LOCKBOX_INTERNAL_SECRET is required"),
        ({"LOCKBOX_TOKEN_KEY_FILE": None}, "LOCKBOX_TOKEN_KEY_FILE is required"),
        ({"LOCKBOX_DEMO": "perhaps"}, "LOCKBOX_DEMO must be true or false"),
        ({"LOCKBOX_LOG_ORIGIN": "https://x"}, "LOCKBOX_LOG_ORIGIN must be a name like"),
        ({"LOCKBOX_CATALOGUE": "mail"}, "LOCKBOX_CATALOGUE must be a JSON list"),
        ({"LOCKBOX_CATALOGUE": "[]"}, "LOCKBOX_CATALOGUE must have at least 1"),
        ({"LOCKBOX_CONFIG": "/nowhere.toml"}, "LOCKBOX_CONFIG: /nowhere.toml cannot be read"),
        (
            {"LOCKBOX_INTERNAL_SECRET_FILE": "/x"},
            "LOCKBOX_INTERNAL_SECRET and LOCKBOX_INTERNAL_SECRET_FILE are both set",
        ),
        ({"LOCKBOX_SMTP_PASSWORD_FILE": "/x"}, "LOCKBOX_SMTP_PASSWORD_FILE: /x cannot be read"),
        ({"LOCKBOX_PROT": "1"}, "LOCKBOX_PROT is not a setting: did you mean LOCKBOX_PORT"),
        ({"LOCKBOX_ANYTHING_ELSE": "1"}, "LOCKBOX_ANYTHING_ELSE is not a setting: remove it"),
        ({"LOCKBOX_PORT_FILE": "/x"}, "LOCKBOX_PORT_FILE is not a setting"),
        (
            {"LOCKBOX_PORT": "x", "LOCKBOX_LOG_LEVEL": "y"},
            r"LOCKBOX_PORT .* \(wrong or missing too: LOCKBOX_LOG_LEVEL\)",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        read(monkeypatch, changes)


def test_a_service_accepts_what_only_others_read(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        "LOCKBOX_SMTP_URL": "smtp://127.0.0.1:25",
        "LOCKBOX_DEMO_PASSWORD": "x",
        "LOCKBOX_RABBITMQ_ROOT": "/srv/trixie",
        "LOCKBOX_AMQP_MANAGEMENT_URL": "http://guest:guest@127.0.0.1:15672",
        "LOCKBOX_GATE_STALENESS": "PT5S",
        "LOCKBOX_TOKEN_KEY_FILE": None,
    }
    assert read(monkeypatch, others, "expiry").port == 8004


def test_no_secret_is_shown_where_settings_are_printed_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = repr(read(monkeypatch, {"LOCKBOX_SMTP_PASSWORD": "mail-pw"}))
    for secret in ("db-pw", "mq-pw", "mail-pw", NEEDED["LOCKBOX_INTERNAL_SECRET"]):
        assert secret not in shown
    assert "hunter2" not in refusal(monkeypatch, {"LOCKBOX_INTERNAL_SECRET": "hunter2"})


def test_settings_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(read(monkeypatch), "port", 1)  # noqa: B010 - mypy would not let the test ask.


def test_names_can_be_checked_without_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    check_names()
    monkeypatch.setenv("LOCKBOX_AMQP_URI", "x")
    with pytest.raises(SettingsError, match="did you mean LOCKBOX_AMQP_URL"):
        check_names()


def test_a_wrong_name_ends_the_process_with_2_and_one_line() -> None:
    code = "from shared.settings import load_settings; load_settings('approval')"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=NEEDED | {"LOCKBOX_PROT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == "approval: LOCKBOX_PROT is not a setting: did you mean LOCKBOX_PORT?\n"


def test_every_known_name_stands_in_the_committed_table() -> None:
    committed = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert committed == table()
    for name in known_names():
        assert f"`{name.removesuffix('_FILE')}" in committed
