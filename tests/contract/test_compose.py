"""docker-compose.yml, as far as it can be judged without an engine: the same parts, settings and versions as elsewhere."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.events.catalogue import SERVICES
from shared.settings import known_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_it_has_every_part_of_the_system_and_nothing_else(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*SERVICES, "postgres", "rabbitmq", "setup", "mail"}
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert compose["services"]["rabbitmq"]["image"].startswith("rabbitmq:4")


def test_all_of_ours_come_from_one_image(compose: dict[str, Any]) -> None:
    assert {compose["services"][name]["image"] for name in (*SERVICES, "setup", "mail")} == {"openlockbox:local"}
    dockerfile = ROOT / compose["services"]["setup"]["build"]["dockerfile"]
    copied = [line.split()[1] for line in dockerfile.read_text().splitlines() if line.startswith("COPY")]
    for source in copied:
        assert (ROOT / source).exists(), source


def test_every_setting_that_it_sets_is_known(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable in service.get("environment", {}):
            if variable.startswith("LOCKBOX_"):
                assert variable in known_names(), (name, variable)


def test_every_command_is_a_module_that_is_there(compose: dict[str, Any]) -> None:
    for name in (*SERVICES, "setup", "mail"):
        command = compose["services"][name]["command"]
        assert command[:2] == ["python", "-m"]
        assert find_spec(command[2]) is not None, command


def test_each_service_reads_its_own_secrets_alone(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        environment = compose["services"][name]["environment"]
        files = {key: value for key, value in environment.items() if key.endswith("_FILE")}
        assert files
        assert all(value.startswith(f"/run/lockbox/{name}/") for value in files.values()), name


def test_nothing_listens_beyond_the_loopback_of_the_host(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_a_service_starts_only_after_the_set_up_has_ended_well(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        assert compose["services"][name]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
