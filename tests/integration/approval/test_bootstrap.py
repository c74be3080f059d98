"""The first operator is made on the server, once, by a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from services.approval.bootstrap import NoBootstrap, main, make
from shared.database.pool import Pool, open_pool
from shared.events.envelope import read
from tests.integration.approval.system import PASSWORD, SECRET, approval_on, settings_for, types, write_key
from tests.servers import Databases

OLGA = ("--email", "Olga@Provider.example", "--name", "Olga Olsen")


@dataclass
class Server:
    url: str
    key_file: Path
    pool: Pool

    async def run(self, *arguments: str, url: str | None = None) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.approval.bootstrap", *arguments),
            env={
                "LOCKBOX_DATABASE_URL": url or self.url,
                "LOCKBOX_AMQP_URL": "amqp://nobody@127.0.0.1:1/none",
                "LOCKBOX_INTERNAL_SECRET": SECRET,
                "LOCKBOX_TOKEN_KEY_FILE": str(self.key_file),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def server(make_database: Databases, tmp_path: Path) -> AsyncIterator[Server]:
    """A database that nobody has used yet."""
    url = await make_database("approval")
    pool = await open_pool(url, service="approval", size=4)
    try:
        yield Server(url, write_key(tmp_path), pool)
    finally:
        await pool.close()


async def test_the_first_operator_follows_his_link_and_there_is_no_second_one(server: Server, tmp_path: Path) -> None:
    code, out, _ = await server.run(*OLGA)
    assert code == 0
    address, token = out.strip().split("?token=")
    assert address == "http://127.0.0.1:8001/setup"
    events = [read(row["body"]) for row in await server.pool.fetch("SELECT body FROM events ORDER BY sequence")]
    assert types(events) == ["member.added", "member.role_assigned"]
    assert {(event.tenant, event.actor.type, event.data.by) for event in events} == {("provider", "service", None)}
    async with approval_on(server.url, tmp_path) as approval:
        done = await approval.call(None, "POST", "/v1/setup", {"token": token, "password": PASSWORD})
        assert done.json() == {"realm": "provider", "email": "olga@provider.example", "recovery_codes": None}
        body = {"realm": "provider", "email": "olga@provider.example", "password": PASSWORD}
        assert (await approval.call(None, "POST", "/v1/sessions", body)).json()["roles"] == ["operator"]
    code, out, said = await server.run(*OLGA, "--again")
    assert (code, out, said) == (1, "", "bootstrap: an operator has set up his account: he resets the others\n")
    code, out, said = await server.run(*OLGA)
    assert (code, out, said) == (1, "", "bootstrap: the provider has an operator already: he adds the others\n")


async def test_a_link_that_was_lost_is_made_again_while_nobody_has_set_up(server: Server) -> None:
    settings = settings_for(server.url, server.key_file)
    olga = partial(make, server.pool, settings, email="olga@provider.example", name="Olga Olsen")
    with pytest.raises(NoBootstrap):
        await olga(again=True)
    first = await olga()
    with pytest.raises(NoBootstrap):
        await olga()
    code, second, _ = await server.run(*OLGA, "--again")
    assert code == 0
    assert first != second.strip()
    assert await server.pool.fetchval("SELECT count(*) FROM links WHERE ended_at IS NULL") == 1


async def test_of_two_at_once_one_makes_the_operator(server: Server) -> None:
    settings = settings_for(server.url, server.key_file)
    answers = await asyncio.gather(
        *(make(server.pool, settings, email=f"{name}@provider.example", name=name) for name in ("olga", "otto")),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, NoBootstrap) for one in answers) == [False, True]


@pytest.mark.parametrize(
    "arguments", [[], ["--email", "olga", "--name", "Olga"], ["--email", "olga@provider.example", "--name", " "]]
)
def test_wrong_usage_is_said_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err


async def test_a_database_that_does_not_answer_is_said_in_one_line(server: Server) -> None:
    code, out, said = await server.run(*OLGA, url="postgresql://approval:x@127.0.0.1:1/approval")
    assert (code, out, len(said.splitlines())) == (1, "", 1)
