"""Every command there is, found by walking the command line itself: its help, its options, its errors, its completion."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lockbox.cli import make_app, run
from tests.integration.cli.commands import Desk

# What a command's arguments and required options can be.
VALUES = {
    "resource": "exchange-online/mailboxes/alice=read",
    "duration": "2h",
    "category": "customer_support",
    "group": "approvers=lockbox_approver",
    "values": "enabled=on",
    "service": "expiry",
    "number": "1",
}
SECRETS = "first secret\nsecond secret\n"
# `up` starts servers; what it prints is its own option, --json.
WITHOUT_OUTPUT = {("up",)}
# Without these a command has nothing to do, though no single one of them is required.
MORE = {
    ("request", "submit"): ["--resource", "exchange-online/mailboxes/alice=read"],
    ("tenant", "entitlement"): ["--on"],
    ("login",): ["--realm", "contoso", "--email", "dpo@contoso.example"],
    ("recover",): ["--realm", "contoso", "--email", "dpo@contoso.example"],
}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, one in command.commands.items():
            yield from leaves(one, (*path, name))
    else:
        yield path, command


def groups(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if hasattr(command, "commands"):
        yield path
        for name, one in command.commands.items():
            yield from groups(one, (*path, name))


APP = typer.main.get_command(make_app())
LEAVES = dict(leaves(APP))
GROUPS = list(groups(APP))
SPEAKING = {path: command for path, command in LEAVES.items() if path not in WITHOUT_OUTPUT}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENLOCKBOX_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("OPENLOCKBOX_PROFILE", raising=False)
    return tmp_path


def arguments(path: tuple[str, ...], command: Any) -> list[str]:
    """Give what a command needs to be of right usage."""
    found: list[str] = []
    options = {name for one in command.params for name in one.opts}
    for one in command.params:
        if one.param_type_name == "argument":
            found += [VALUES.get(one.name, "x")] if one.required or one.name == "values" else []
        elif one.required:
            found += [one.opts[0], VALUES.get(one.name, "x")]
    found += [name for name in ("--yes", "--password-stdin") if name in options]
    return [*found, *MORE.get(path, [])]


@pytest.mark.parametrize("path", [*LEAVES, *GROUPS], ids=" ".join)
def test_each_explains_itself(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("-h", "--help"):
        assert run([*path, flag]) == 0
        said = capsys.readouterr()
        assert said.out.startswith("Usage: lockbox")
        assert said.err == ""


def test_each_is_in_the_reference() -> None:
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert [path for path in LEAVES if f"`lockbox {' '.join(path)}`" not in reference] == []
    named = set(re.findall(r"`lockbox ([a-z][a-z -]*[a-z])`", reference))
    assert named - {" ".join(path) for path in LEAVES} == set(), "and nothing else is"


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_each_option_and_argument_has_words(path: tuple[str, ...]) -> None:
    command = LEAVES[path]
    assert command.help
    assert [one.name for one in command.params if one.param_type_name == "option" and not one.help] == []


@pytest.mark.parametrize("path", SPEAKING, ids=" ".join)
def test_each_tells_wrong_usage_to_programs_in_json(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--output=json", "--no-such-option"]) == 2
    said = capsys.readouterr()
    assert (said.out, json.loads(said.err)["code"]) == ("", "usage")
    assert run([*path, "--output", "yaml"]) == 2


@pytest.mark.parametrize("path", SPEAKING, ids=" ".join)
def test_each_tells_a_failure_to_programs_in_json_and_to_people_in_words(
    path: tuple[str, ...], config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens where the profile says that the services are."""
    nowhere = dict.fromkeys(("request_api", "approval", "audit"), "http://127.0.0.1:9")
    for folder, content in (
        ("profiles", nowhere),
        ("sessions", {"access_token": "x", "expires_at": "2100-01-01T00:00:00Z", "realm": "contoso"}),
    ):
        (config / folder).mkdir(mode=0o700)
        (config / folder / "default.json").write_text(json.dumps(content))
        (config / folder / "default.json").chmod(0o600)
    (config / "secrets").write_text(SECRETS)
    monkeypatch.setattr("lockbox.client.sending.Policy.pause", lambda *_: 0.0)
    monkeypatch.setattr("lockbox.client.following.time.monotonic", iter(range(0, 10**9, 10_000)).__next__)
    monkeypatch.setenv("LOCKBOX_DATABASE_URL", "nonsense")
    needed = arguments(path, SPEAKING[path])
    for output in ("json", "text"):
        with (config / "secrets").open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            code = run([*path, *needed, "--output", output])
        said = capsys.readouterr()
        assert (code in {1, 2}, said.out) == (True, ""), said
        assert code == 1 or path[0] == "admin", said.err
        if output == "json":
            problem = json.loads(said.err)
            assert set(problem) >= {"code", "detail"}
        else:
            assert said.err.startswith("lockbox: ")
            assert "Traceback" not in said.err


def test_a_command_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["nothing"], ["request", "nothing"], ["request", "show"], ["request", "list", "--state", "gone"]):
        assert run(wrong) == 2
        assert run([*wrong, "--output", "json"]) == 2
    assert "Traceback" not in capsys.readouterr().err


LINES = {
    "lockbox req": {"request"},
    "lockbox request list --st": {"--state"},
    "lockbox request list --state aw": {"awaiting_provider", "awaiting_customer"},
    "lockbox whoami --profile w": {"work"},
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="takes bash")
def test_bash_completes_commands_options_choices_and_profiles(config: Path) -> None:
    """In a real bash, with the script that `lockbox` gives it."""
    (config / "profiles").mkdir()
    (config / "profiles" / "work.json").write_text("{}")
    script = [
        'eval "$(_LOCKBOX_COMPLETE=source_bash lockbox)"',
        "function=$(complete -p lockbox | sed 's/.*-F \\([^ ]*\\).*/\\1/')",
    ]
    for line in LINES:
        words = line.split(" ")
        script += [
            f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMPREPLY=()",
            '"$function" lockbox; echo "${COMPREPLY[@]}"',
        ]
    environment = Desk(config).environment
    environment |= {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], env=environment, capture_output=True, text=True, check=True
    )
    assert [set(line.split()) for line in done.stdout.splitlines()] == list(LINES.values())
