"""`lockbox dead`: what a service could not apply is listed, shown and replayed by its operator."""

import asyncio
import json
import sys
from pathlib import Path

import asyncpg

from shared.events.envelope import new_id
from tests.kernel import event_of, publish, submitted, until, withdrawn
from tests.servers import PASSWORDS, PostgresServer, RabbitServer
from tests.system import INTERNAL_SECRET, running_system

HOST = "e2e-dead"


async def lockbox(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lockbox.cli",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return process.returncode or 0, out.decode(), error.decode()


async def test_a_dead_letter_is_listed_shown_and_replayed_and_what_waited_follows(
    postgres: PostgresServer, rabbitmq: RabbitServer, tmp_path: Path
) -> None:
    async with running_system(postgres, rabbitmq, virtual_host=HOST) as system:
        (tmp_path / "state.json").write_text(json.dumps(system.urls))
        (tmp_path / "kept.json").write_text(json.dumps({"internal_secret": INTERNAL_SECRET}))
        data = ("--data", str(tmp_path))
        code, out, _ = await lockbox("dead", "list", *data)
        assert (code, "No dead letters" in out) == (0, True)

        # An end that is no time: attributable, and yet nobody can apply it.
        subject = new_id()
        event = event_of(submitted(subject=subject))
        poison = event.raw.replace(b'"decide_by":"2026', b'"decide_by":"x026')
        place = rabbitmq.amqp_url.rpartition("@")[2].partition("/")[0]
        url = f"amqp://request_api:{PASSWORDS['request_api']}@{place}/{HOST}"
        await publish(url, poison, event.type, user_id="request_api")
        behind = event_of(withdrawn(subject), sequence=2)
        await publish(url, behind.raw, behind.type, user_id="request_api")
        database = await asyncpg.connect(system.databases["expiry"])

        async def waits() -> bool:
            return bool(await database.fetchval("SELECT count(*) FROM parked WHERE subject = $1", subject))

        await until(waits)
        code, out, _ = await lockbox("dead", "list", "--output", "json", *data)
        (dead,) = json.loads(out)["expiry"]["dead_letters"]
        assert (dead["subject"], dead["parked"]) == (subject, 1)
        number = str(dead["id"])
        code, out, _ = await lockbox("dead", "show", "expiry", number, *data)
        assert (code, "decide_by" in out) == (0, True)

        by = ("--by", "otto@provider.example")
        code, _, error = await lockbox("dead", "replay", "expiry", number, *by, *data)
        assert (code, "failed again" in error) == (1, True)
        await database.execute("UPDATE dead_letters SET body = $1", event.raw)
        code, out, _ = await lockbox("dead", "replay", "expiry", number, *by, *data)
        assert (code, out.strip()) == (0, "applied: 2, still waiting behind another dead letter: 0")
        assert await database.fetchval("SELECT replayed_by FROM dead_letters") == "otto@provider.example"
        assert not await waits()
        code, _, error = await lockbox("dead", "replay", "expiry", number, *by, *data)
        assert (code, "404" in error) == (1, True)
        await database.close()


async def test_wrong_use_is_told_in_one_line(tmp_path: Path) -> None:
    code, _, error = await lockbox("dead", "show", "postgres", "1", "--data", str(tmp_path))
    assert (code, error.count("\n")) == (2, 1)
    code, _, error = await lockbox("dead", "list", "--data", str(tmp_path))
    assert (code, error.count("\n")) == (1, 1)
    assert "holds no running system" in error
