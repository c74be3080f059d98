"""The demonstration is made through the domain: once, whole, and never beside a real tenant."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.approval import demo
from services.approval.demo import NoDemo, demo_check
from shared.database.pool import open_pool
from shared.demo import everybody
from shared.events.envelope import read
from tests.integration.approval.system import PASSWORD, Approval, settings_for, write_key
from tests.servers import Databases


async def test_every_person_and_tenant_is_told_of_by_events(approval: Approval) -> None:
    rows = await approval.pool.fetch("SELECT body FROM events ORDER BY tenant, sequence")
    events = [read(row["body"]) for row in rows]
    added = {(one.data.realm, one.data.member.email) for one in events if one.type == "lockbox.member.added.v1"}
    assert added == {(realm, person.email) for realm, person in everybody()}
    roles = {(one.data.member.email, one.data.role) for one in events if one.type == "lockbox.member.role_assigned.v1"}
    assert roles == {(person.email, role) for _, person in everybody() for role in person.roles}
    for tenant in ("contoso", "fabrikam"):
        types = [one.type for one in events if one.subject == tenant]
        assert types == ["lockbox.tenant.registered.v1", "lockbox.tenant.lockbox_enabled.v1"]
    assert {one.tenant for one in events} == {"provider", "contoso", "fabrikam"}
    erin = next(one.data for one in events if one.payload.get("member", {}).get("email") == "erin@provider.example")
    assert (erin.employer, erin.job_title, erin.country) == ("Contractor GmbH", "Escalation engineer", "DE")


async def test_made_again_it_changes_nothing(approval: Approval) -> None:
    before = await approval.everything()
    assert await demo.make(approval.pool, approval.settings, PASSWORD) == 0
    assert await approval.everything() == before
    assert await demo_check(approval.pool)() is None


async def test_beside_a_real_tenant_it_is_refused_in_one_line(make_database: Databases) -> None:
    url = await make_database("approval")
    pool = await open_pool(url, service="approval", size=2)
    try:
        assert await demo_check(pool)() == "the tenant contoso is not there yet"
        await pool.execute("INSERT INTO tenants VALUES ('acme', 'Acme', true, '{}', 1, 1)")
        with tempfile.TemporaryDirectory() as folder:
            settings = settings_for(url, write_key(Path(folder)))
            with pytest.raises(NoDemo):
                await demo.make(pool, settings, PASSWORD)
            code, said = await asyncio.to_thread(run, url, settings.token_key_file, PASSWORD)
        assert code == 1
        assert said.startswith("demo: the tenant acme is no demonstration")
        assert len(said.splitlines()) == 1
        assert await pool.fetchval("SELECT count(*) FROM events") == 0
    finally:
        await pool.close()


def run(url: str, key_file: Path | None, password: str) -> tuple[int, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "LOCKBOX_DATABASE_URL": url,
        "LOCKBOX_AMQP_URL": "amqp://nobody@127.0.0.1:1/none",
        "LOCKBOX_INTERNAL_SECRET": "x" * 32,
        "LOCKBOX_TOKEN_KEY_FILE": str(key_file),
        "LOCKBOX_DEMO_PASSWORD": password,
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.approval.demo"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr
