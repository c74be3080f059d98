"""What is kept on a person's machine, who may read it, and how secrets come in."""

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.commands import Desk, Here, Nobody
from tests.unit.lockbox.flaky import Answer, Flaky, flaky, problem

SESSION = Answer(body={"access_token": "hidden-token", "expires_in": 3600, "realm": "contoso", "roles": ["auditor"]})
ME = Answer(body={"id": "1", "realm": "contoso", "email": "a@contoso.example", "name": "A", "roles": []})
WHO = ("--realm", "contoso", "--email", "a@contoso.example")


def to(server: Flaky) -> tuple[str, ...]:
    return ("--approval", server.url, "--audit", server.url)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Here(tmp_path / "config")


async def signed_in(desk: Desk, server: Flaky, profile: str | None = None) -> None:
    said = await desk.lockbox("login", *WHO, *to(server), "--password-stdin", profile=profile, stdin="pass word \n")
    assert said.code == 0, said


async def test_a_session_is_kept_for_its_owner_alone_and_its_token_is_told_to_nobody(desk: Desk) -> None:
    async with flaky(SESSION, ME) as server:
        said = await desk.lockbox("login", *WHO, *to(server), "--password-stdin", stdin="pass word \nnot this\n")
        assert (said.code, "hidden-token" in said.out + said.error) == (0, False)
        assert json.loads(server.got[0].body)["password"] == "pass word ", "spaces belong to a password"
        assert (await desk.does("whoami"))["email"] == "a@contoso.example"
    assert server.got[1].headers["authorization"] == "bearer hidden-token"
    for path in (desk.folder / "sessions" / "default.json", desk.folder / "profiles" / "default.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "hidden-token" not in (desk.folder / "profiles" / "default.json").read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
async def test_a_session_that_others_can_read_is_not_used(desk: Desk, mode: int) -> None:
    async with flaky(SESSION, ME) as server:
        await signed_in(desk, server)
        (desk.folder / "sessions" / "default.json").chmod(mode)
        said = await desk.lockbox("whoami")
        assert (said.code, "chmod 600" in said.error, len(server.got)) == (1, True, 1)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"access_token": "x", "expires_at": "soon"}', "\0"])
async def test_a_damaged_file_is_named_and_is_no_traceback(desk: Desk, content: str) -> None:
    for folder, command in (("sessions", "whoami"), ("profiles", "login")):
        path = desk.folder / folder / "default.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if folder == "sessions" or content != "{}" else '{"realm": 5}')
        path.chmod(0o600)
        said = await desk.lockbox(command, "--password-stdin" if command == "login" else "--output=text")
        assert (said.code in {1, 2}, said.error.count("\n") <= 2, "Traceback" in said.error) == (True, True, False)
        path.unlink()


async def test_several_sign_ins_at_once_lose_none(desk: Desk) -> None:
    names = ("one", "two", "three")
    async with flaky(SESSION) as server:
        await asyncio.gather(*(signed_in(Desk(desk.folder), server, name) for name in names))
    assert {path.stem for path in (desk.folder / "profiles").iterdir()} == set(names)
    assert {path.stem for path in (desk.folder / "sessions").iterdir()} == set(names)


async def test_a_session_whose_time_is_over_is_not_sent(desk: Desk) -> None:
    async with flaky(Answer(body={"access_token": "x", "expires_in": 0}), ME) as server:
        await signed_in(desk, server, "p")
        said = await desk.lockbox("whoami", profile="p")
        assert (said.code, "lockbox login --profile p" in said.error, len(server.got)) == (1, True, 1)


async def test_a_refused_sign_in_keeps_nothing(desk: Desk) -> None:
    async with flaky(problem(401, "invalid_credentials")) as server:
        problem_said = await desk.is_refused("login", *WHO, *to(server), "--password-stdin", stdin="wrong\n")
    assert (problem_said["code"], desk.folder.exists()) == ("invalid_credentials", False)


@pytest.mark.parametrize("profile", ["../x", "a/b", "", ".hidden", "x" * 65, "a b"])
async def test_a_profile_is_no_path(desk: Desk, profile: str) -> None:
    said = await desk.lockbox("whoami", profile=profile)
    assert (said.code, "profile" in said.error) == (2, True)


async def test_a_token_is_not_sent_unencrypted_to_another_machine(desk: Desk) -> None:
    said = await desk.lockbox("login", *WHO, "--approval", "http://lockbox.example", "--password-stdin", stdin="x\n")
    assert (said.code, "unencrypted" in said.error) == (1, True)


@pytest.mark.parametrize(
    ("command", "option"),
    [(("login",), "--realm"), (("login", *WHO), "--password-stdin"), (("password", "change"), "--password-stdin"),
     (("member", "remove", "x@contoso.example"), "--yes"), (("grant", "revoke", "x", "--reason", "r"), "--yes")],
)  # fmt: skip
async def test_without_a_terminal_nothing_is_asked(desk: Desk, command: tuple[str, ...], option: str) -> None:
    said = await desk.lockbox(*command, stdin=Nobody())
    assert (said.code, option in said.error) == (2, True)


async def test_a_password_is_never_taken_from_the_arguments(desk: Desk) -> None:
    for name in ("--password", "--secret", "--client-secret"):
        said = await desk.lockbox("login", *WHO, name, "x")
        assert (said.code, "No such option" in said.error) == (2, True)


@pytest.mark.skipif(sys.platform == "win32", reason="takes a pseudo-terminal")
async def test_on_a_terminal_the_password_is_asked_for_without_echo_and_then_the_code(desk: Desk) -> None:
    async with flaky(problem(401, "code_required"), SESSION) as server:
        ours, theirs = os.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lockbox.cli", "login", *WHO, *to(server),
            env=desk.environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        screen = await typed(ours, [("Password", "my pass word"), ("Code", "123456")])
        assert await process.wait() == 0, screen
        os.close(ours)
    assert "my pass word" not in screen
    assert [json.loads(one.body).get("code") for one in server.got] == [None, "123456"]
    assert json.loads(server.got[1].body)["password"] == "my pass word"


async def typed(terminal: int, answers: list[tuple[str, str]]) -> str:
    """Answer each question once it is on the screen; return all that was on it."""
    screen = ""

    def read() -> str:
        try:
            return os.read(terminal, 4096).decode()
        except OSError:
            # The other side is gone.
            return ""

    async with asyncio.timeout(60):
        while piece := await asyncio.to_thread(read):
            screen += piece
            if answers and answers[0][0] in screen:
                os.write(terminal, f"{answers.pop(0)[1]}\n".encode())
    return screen


async def test_what_the_servers_refuse_is_not_in_the_way(desk: Desk) -> None:
    """The names that the command line reads are none of the servers' settings, which refuse names that they do not know."""
    names: list[Any] = []
    for path in (Path(__file__).parents[3] / "lockbox" / "cli").glob("*.py"):
        names += [word for word in path.read_text().split('"') if word.startswith(("OPENLOCKBOX_", "LOCKBOX_CLI"))]
    assert set(names) == {"OPENLOCKBOX_CONFIG_DIR", "OPENLOCKBOX_PROFILE"}
