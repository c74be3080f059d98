"""The whole story by commands alone: five people, each with a profile, on a real system."""

import asyncio
import json
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.integration.cli.commands import Desk, Here
from tests.integration.cli.people import PASSWORD, addresses, comes_in, link_to
from tests.integration.cli.test_every_command import LEAVES
from tests.integration.notifier.catching import Catcher, catching
from tests.oidc_provider.forger import Forger, forging
from tests.servers import PostgresServer, RabbitServer
from tests.system import DEMO_PASSWORD, System, running_system

# Each command is a process, and the system starts with the first test: on a busy machine that takes minutes.
pytestmark = pytest.mark.timeout(400)

ALICE = "exchange-online/mailboxes/alice"
PEOPLE = {
    "eve": ("provider", "eve@provider.example"),
    "max": ("provider", "max@provider.example"),
    "otto": ("provider", "otto@provider.example"),
    "dpo": ("contoso", "dpo@contoso.example"),
    "admin": ("contoso", "admin@contoso.example"),
    "auditor": ("contoso", "auditor@contoso.example"),
}


@pytest.fixture(scope="module")
async def mail() -> AsyncIterator[Catcher]:
    async with catching() as catcher:
        yield catcher


@pytest.fixture(scope="module")
async def issuer() -> AsyncIterator[Forger]:
    async with forging() as forger:
        yield forger


@pytest.fixture(scope="module")
async def system(postgres: PostgresServer, rabbitmq: RabbitServer, mail: Catcher) -> AsyncIterator[System]:
    allowed = {"LOCKBOX_OUTBOUND_ALLOW": "127.0.0.0/8"}
    async with running_system(
        postgres, rabbitmq, virtual_host="e2e-commands", smtp_url=mail.url, settings=allowed
    ) as running:
        yield running


@pytest.fixture(scope="module")
async def desk(system: System, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("config"))
    await asyncio.gather(*(sign_in(desk, system, name) for name in PEOPLE))
    return desk


@pytest.fixture(scope="module")
def here(desk: Desk) -> Here:
    """The same computer, without a process for each command."""
    return Here(desk.folder)


async def sign_in(desk: Desk, system: System, name: str, *, email: str | None = None) -> Any:
    realm, known = PEOPLE.get(name, ("contoso", email or ""))
    who = ("--realm", realm, "--email", email or known, "--password-stdin")
    return await desk.does("login", *who, *addresses(system), profile=name, stdin=f"{DEMO_PASSWORD}\n")


async def submitted(desk: Desk, *more: str, tenant: str = "contoso", detail: str = "The mailbox does not open.") -> str:
    request = await desk.does(
        "request", "submit", "--tenant", tenant, "--service", "exchange-online", "--ticket", "INC-7",
        "--category", "customer_support", "--detail", detail, "--duration", "2h",
        "--resource", f"{ALICE}=read,write", "--resource", "exchange-online/mailboxes/bob=read", *more,
        profile="eve",
    )  # fmt: skip
    assert request["state"] == "awaiting_provider"
    found: str = request["id"]
    return found


async def shown_to_the_customer(desk: Desk, request: str) -> None:
    """Have the manager agree, once the request has reached him."""
    for _ in range(50):
        said = await desk.lockbox("request", "approve", request, "--comment", "as agreed", profile="max")
        if said.code == 0:
            return
        assert "not_found" in said.error
        await asyncio.sleep(0.1)
    raise AssertionError(said)


async def test_a_request_is_asked_narrowed_approved_used_and_revoked_and_the_log_tells_of_it(
    system: System, desk: Desk
) -> None:
    tail = await desk.start("tail", "--output", "json", "--type", "request.approved", profile="auditor")
    request = await submitted(desk)
    await shown_to_the_customer(desk, request)

    waiting = await desk.does("request", "list", "--state", "awaiting_customer", profile="dpo")
    assert [one["id"] for one in waiting["items"]] == [request]
    await desk.does("request", "ask", request, "Which mails?", profile="dpo")
    await desk.does("request", "show", request, "--until", "awaiting_customer", profile="eve")
    for _ in range(50):
        thread = (await desk.does("request", "answer", request, "Those of May.", profile="eve"))["thread"]
        if len(thread) > 1:
            break
        await asyncio.sleep(0.1)
    assert {one["text"] for one in thread} >= {"Which mails?", "Those of May."}

    narrowed = ("--duration", "45m", "--resource", f"{ALICE}=read", "--comment", "One mailbox, to read.")
    approved = await desk.does("request", "approve", request, *narrowed, profile="dpo")
    assert approved["state"] == "approved"
    assert approved["grant"]["resources"] == [{"id": ALICE, "operations": ["read"]}]
    await desk.does("request", "show", request, "--until", "approved", profile="eve")

    granted = await desk.lockbox("request", "token", request, profile="eve")
    assert (granted.code, granted.out.count("\n")) == (0, 1)
    assert "has the access" in granted.error
    await used(system, granted.out.strip())

    in_force = await desk.does("grant", "list", profile="dpo")
    (grant,) = [one["grant"]["id"] for one in in_force["items"] if one["id"] == request]
    without_yes = await desk.lockbox("grant", "revoke", grant, "--reason", "enough", profile="dpo")
    assert (without_yes.code, "--yes" in without_yes.error) == (2, True)
    ended = await desk.does("grant", "revoke", grant, "--reason", "enough", "--yes", profile="dpo")
    assert (ended["state"], ended["ended_by"]) == ("ended", "revoked")

    assert tail.stdout is not None
    async with asyncio.timeout(30):
        event = json.loads(await tail.stdout.readline())
    assert (event["subject"], event["type"]) == (request, "lockbox.request.approved.v1")
    assert event["cursor"]
    tail.kill()
    await tail.communicate()
    await told_by_the_log(desk, request)


async def used(system: System, token: str) -> None:
    """Act under the grant, through the client that programs use."""
    import lockbox

    where = lockbox.Addresses(system.urls["request_api"])
    async with lockbox.AsyncClient(where) as client:
        action = await client.actions.act(token, ALICE, "read")
        done = await client.actions.complete(token, action.action_id, "success")
        assert (action.allowed, done.outcome) == (True, "success")
        with pytest.raises(lockbox.LockboxError) as refused:
            await client.actions.act(token, ALICE, "write")
        assert (refused.value.code, bool(refused.value.members["action_id"])) == ("out_of_scope", True)


async def told_by_the_log(desk: Desk, request: str) -> None:
    for _ in range(50):
        history = await desk.does("history", request, profile="auditor")
        types = [event["type"].removeprefix("lockbox.").removesuffix(".v1") for event in history["events"]]
        if "access.revoked" in types:
            break
        await asyncio.sleep(0.1)
    for kind in ("submitted", "provider_approved", "information_requested", "vote_cast", "approved"):
        assert f"request.{kind}" in types
    assert "action.recorded" in types
    assert history["comparison"]["refused"] == 1
    text = await desk.lockbox("history", request, profile="auditor")
    assert (text.code, "access revoked" in text.out) == (0, True)
    listed = await desk.does("history", "--engineer", "eve@provider.example", profile="auditor")
    assert request in [one["id"] for one in listed["items"]]


async def test_a_request_is_withdrawn_denied_and_released(desk: Desk) -> None:
    first, second, third = await asyncio.gather(*(submitted(desk) for _ in range(3)))
    withdrawn = await desk.does("request", "withdraw", first, profile="eve")
    assert withdrawn["state"] == "withdrawn"
    await shown_to_the_customer(desk, second)
    denied = await desk.does("request", "deny", second, "--comment", "Not needed.", profile="dpo")
    assert (denied["state"], denied["decisions"][-1]["comment"]) == ("denied", "Not needed.")
    late = await desk.is_refused("request", "approve", second, profile="dpo")
    assert late["code"] == "already_decided"

    await shown_to_the_customer(desk, third)
    await desk.does("request", "approve", third, profile="dpo")
    await desk.does("request", "show", third, "--until", "approved", profile="eve")
    granted = await desk.does("request", "token", third, profile="eve")
    released = await desk.does("grant", "release", granted["grant_id"], profile="eve")
    assert (released["state"], released["ended_by"]) == ("ended", "released")


async def test_what_an_engineer_writes_cannot_steer_the_approvers_terminal(desk: Desk) -> None:
    evil = "harmless\x1b[2J\x1b]0;owned\x07 \u202edeined\u202c \x9b31m [bold]not bold[/bold] ü"
    request = await submitted(desk, detail=evil)
    await shown_to_the_customer(desk, request)
    for command in (("request", "show", request), ("request", "list"), ("history", request)):
        said = await desk.lockbox(*command, profile="dpo")
        assert said.code == 0
        assert not set("\x1b\x07\x9b\u202e\u202c") & set(said.out + said.error)
    shown = (await desk.lockbox("request", "show", request, profile="dpo")).out
    assert "harmless\\x1b[2J\\x1b]0;owned\\x07 \\u202edeined\\u202c \\x9b31m [bold]not bold[/bold] ü" in shown


async def test_each_session_is_kept_for_its_owner_alone_and_ends_on_both_sides(system: System, desk: Desk) -> None:
    await sign_in(desk, system, "dana", email="dpo@contoso.example")
    path = desk.folder / "sessions" / "dana.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    me = await desk.does("whoami", profile="dana")
    assert (me["email"], me["roles"]) == ("dpo@contoso.example", ["lockbox_approver"])
    token = json.loads(path.read_text())["access_token"]

    path.chmod(0o640)
    open_to_others = await desk.lockbox("whoami", profile="dana")
    assert (open_to_others.code, "chmod 600" in open_to_others.error) == (1, True)
    path.chmod(0o600)
    assert (await desk.does("logout", profile="dana"))["done"]
    assert not path.exists()
    gone = await desk.is_refused("whoami", profile="dana")
    assert gone["code"] == "not_authenticated"
    path.write_text(json.dumps({"access_token": token, "expires_at": "2100-01-01T00:00:00Z", "realm": "contoso"}))
    path.chmod(0o600)
    ended = await desk.is_refused("whoami", profile="dana")
    assert (ended["status"], ended["code"]) == (401, "token_invalid")


async def test_nothing_of_another_realm_is_shown_or_done(desk: Desk) -> None:
    assert (await desk.is_refused("settings", "show", "--tenant", "fabrikam", profile="admin"))["code"] == "not_found"
    assert (await desk.is_refused("settings", "show", "--tenant", "contoso", profile="otto"))["code"] == "not_found"
    assert (await desk.is_refused("member", "list", "--tenant", "contoso", profile="otto"))["code"] == "not_found"


async def test_settings_are_shown_and_set_field_by_field(desk: Desk, tmp_path: Path) -> None:
    before = await desk.does("settings", "show", profile="admin")
    changed = await desk.lockbox(
        "settings", "set", "decision_window=90m", "notify=soc@contoso.example", "links_in_mail=off", profile="admin"
    )
    assert changed.code == 0, changed
    assert "decision_window" in changed.out
    after = await desk.does("settings", "show", profile="admin")
    assert (after["decision_window"], after["links_in_mail"]) == ("PT1H30M", False)
    assert after["version"] == before["version"] + 1
    (tmp_path / "settings.json").write_text(json.dumps(before | {"version": after["version"]}))
    back = await desk.does("settings", "set", "--file", str(tmp_path / "settings.json"), profile="admin")
    assert back["decision_window"] == before["decision_window"]
    old = await desk.is_refused("settings", "set", "enabled=on", "version=1", profile="admin")
    assert old["code"] == "settings_changed"
    for wrong in ("enabled=perhaps", "approvals_required=-1", "nothing=1", "decision_window=soon", "novalue"):
        said = await desk.lockbox("settings", "set", wrong, profile="admin")
        assert (said.code, said.out) == (2, ""), said


async def test_a_customer_is_registered_and_administers_itself(
    system: System, here: Here, mail: Catcher, issuer: Forger
) -> None:
    first = ("--name", "Acme", "--admin-email", "anna@acme.example", "--admin-name", "Anna Arendt")
    tenant = await here.does("tenant", "register", "acme", *first, profile="otto")
    assert (tenant["entitled"], tenant["enabled"]) == (True, False)
    assert "acme" in [one["id"] for one in (await here.does("tenant", "list", profile="otto"))["items"]]
    codes = (await comes_in(here, system, mail, "anna@acme.example"))["recovery_codes"]
    assert len(codes) == 10
    again = await here.is_refused(
        "setup", "--password-stdin", profile="anna", stdin=f"{await link_to(mail, 'anna@acme.example')}\n{PASSWORD}\n"
    )
    assert again["code"] == "link_invalid"

    services = await here.does("service", "list", profile="anna")
    assert "exchange-online" in [one["id"] for one in services["items"]]
    await here.does("settings", "set", "enabled=on", "services=exchange-online", profile="anna")
    assert (await here.does("tenant", "show", profile="anna"))["enabled"]
    lena = ("lena@acme.example", "--name", "Lena Lang", "--country", "DE")
    added = await here.does("member", "add", *lena, "--role", "lockbox_approver", profile="anna")
    assert added["roles"] == ["lockbox_approver"]
    await comes_in(here, system, mail, "lena@acme.example")
    assert (await here.does("role", "give", "lena@acme.example", "auditor", profile="anna"))["roles"]
    await here.does("role", "remove", "lena@acme.example", "auditor", "--yes", profile="anna")
    assert (await here.does("member", "show", "lena@acme.example", profile="anna"))["roles"] == ["lockbox_approver"]
    listed = await here.does("member", "list", "--role", "lockbox_approver", profile="anna")
    assert [one["email"] for one in listed["items"]] == ["lena@acme.example"]
    last = await here.is_refused("role", "remove", "anna@acme.example", "global_admin", "--yes", profile="anna")
    assert last["code"] == "last_global_admin"
    gone = await here.does("tenant", "entitlement", "acme", "--off", profile="otto")
    assert (gone["entitled"], gone["enabled"]) == (False, True)

    await voted(here)
    await machine(here, system)
    await trusted(here, issuer)
    await reset_and_recovered(here, system, mail, codes)


async def voted(here: Here) -> None:
    """A rule of two: what weakens protection waits for the other one."""
    await here.does("settings", "set", "approvals_required=2", profile="anna")
    change = await here.does("settings", "set", "approvals_required=1", profile="anna")
    assert (change["state"], change["changes"]["approvals_required"]["after"]) == ("open", 1)
    told = await here.lockbox("change", "show", change["id"], profile="lena")
    assert (told.code, "2 -> 1" in told.out) == (0, True)
    assert (await here.does("settings", "show", profile="anna"))["approvals_required"] == 2
    twice = await here.is_refused("change", "approve", change["id"], profile="anna")
    assert twice["code"] == "already_voted"
    rejected = await here.does("change", "deny", change["id"], profile="lena")
    assert rejected["state"] == "rejected"
    other = await here.does("settings", "set", "approvals_required=1", profile="anna")
    carried = await here.does("change", "approve", other["id"], profile="lena")
    assert carried["state"] == "carried"
    assert len((await here.does("change", "list", profile="lena"))["items"]) == 2
    assert (await here.does("settings", "show", profile="anna"))["approvals_required"] == 1


async def machine(here: Here, system: System) -> None:
    """A program reads the log, until its client is revoked."""
    made = await here.does("client", "create", "siem", profile="anna")
    who = ("--client", made["id"], "--password-stdin", *addresses(system))
    await here.does("login", *who, profile="siem", stdin=f"{made['secret']}\n")
    tail = await here.start("tail", "--output", "json", "--type", "client.revoked", profile="siem")
    assert (await here.does("history", profile="siem"))["items"] == []
    assert made["id"] in [one["id"] for one in (await here.does("client", "list", profile="anna"))["items"]]
    await here.does("client", "revoke", made["id"], "--yes", profile="anna")
    refused = await here.is_refused("login", *who, profile="siem", stdin=f"{made['secret']}\n")
    assert refused["code"] == "invalid_client"
    async with asyncio.timeout(60):
        _, error = await tail.communicate()
    assert (tail.returncode, b"token" in error) == (1, True), "its token ends with it"


async def trusted(here: Here, issuer: Forger) -> None:
    given = (issuer.issuer, "--name", "Acme", "--client-id", "lockbox", "--group", "legal=lockbox_approver")
    added = await here.does("issuer", "add", *given, profile="anna")
    assert added["mapping"] == {"legal": "lockbox_approver"}
    assert [one["id"] for one in (await here.does("issuer", "list", profile="lena"))["items"]] == [added["id"]]
    await here.does("issuer", "remove", added["id"], "--yes", profile="anna")
    wrong = await here.is_refused("issuer", "add", f"{issuer.issuer}/other", *given[1:], profile="anna")
    assert (wrong["code"], wrong["errors"][0]["field"]) == ("invalid_request", "issuer")


async def reset_and_recovered(here: Here, system: System, mail: Catcher, codes: list[str]) -> None:
    sent = await here.does("member", "reset-password", "lena@acme.example", "--yes", profile="anna")
    assert sent["sent_to"] == "lena@acme.example"
    assert (await here.is_refused("whoami", profile="lena"))["status"] == 401
    await comes_in(here, system, mail, "lena@acme.example", number=2)
    new = "quite another long password"
    await here.does("recover", "--password-stdin", profile="anna", stdin=f"{codes[0]}\n{new}\n")
    used = await here.is_refused("recover", "--password-stdin", profile="anna", stdin=f"{codes[0]}\n{new}\n")
    assert used["code"] == "invalid_credentials"
    await here.does("login", "--password-stdin", profile="anna", stdin=f"{new}\n")
    await here.does("member", "remove", "lena@acme.example", "--yes", profile="anna")


async def test_ones_own_account_is_kept_in_order(system: System, here: Here, mail: Catcher) -> None:
    await here.does("member", "add", "nina@contoso.example", "--name", "Nina", "--role", "auditor", profile="admin")
    await comes_in(here, system, mail, "nina@contoso.example")
    new = "a newly chosen long password"
    await here.does("password", "change", "--password-stdin", profile="nina", stdin=f"{PASSWORD}\n{new}\n")
    begun = await here.does("factor", "add-totp", "--password-stdin", profile="nina", stdin=f"{new}\n")
    totp, now = pyotp.TOTP(begun["secret"]), int(time.time())
    confirming = ("--confirm", begun["factor_id"], "--code", totp.at(now - 30))
    await here.does("factor", "add-totp", *confirming, profile="nina")
    (factor,) = (await here.does("factor", "list", profile="nina"))["items"]
    assert factor["kind"] == "totp"

    again = ("login", "--password-stdin")
    assert (await here.is_refused(*again, profile="nina", stdin=f"{new}\n"))["code"] == "code_required"
    await here.does(*again, "--code", totp.at(now), profile="nina", stdin=f"{new}\n")
    sessions = (await here.does("session", "list", profile="nina"))["items"]
    assert [one["method"] for one in sessions if one["current"]] == ["password+totp"]
    (other,) = [one["id"] for one in sessions if not one["current"]]
    await here.does("session", "revoke", other, profile="nina")
    assert len((await here.does("session", "list", profile="nina"))["items"]) == 1
    removing = ("factor", "remove", factor["id"], "--yes", "--password-stdin")
    assert (await here.does(*removing, profile="nina", stdin=f"{new}\n"))["items"] == []
    await here.does("member", "remove-factors", "nina@contoso.example", "--yes", profile="admin")


async def test_the_first_operator_is_made_once_on_the_server(system: System, desk: Desk) -> None:
    server = Desk(desk.folder, **system.environments["approval"])
    refused = await server.is_refused("admin", "bootstrap", "--email", "olga@provider.example", "--name", "Olga")
    assert "operator already" in refused["detail"]


async def test_a_config_folder_is_made_for_its_owner_alone(desk: Desk) -> None:
    if os.name == "posix":
        assert stat.S_IMODE((desk.folder / "sessions").stat().st_mode) == 0o700
        assert stat.S_IMODE((desk.folder / "profiles" / "eve.json").stat().st_mode) == 0o600
    assert not list(desk.folder.glob("**/*.json.*")), "no draft is left"


def test_every_command_was_tried_on_the_real_system() -> None:
    tried = {path for path in LEAVES if any(ran[: len(path)] == path for ran in Desk.ran)}
    if ("request", "submit") not in tried or ("factor", "remove") not in tried:
        pytest.skip("only a part of this file was run")
    # The other tests of this folder start a system, and replay what was dead.
    assert LEAVES.keys() - tried <= {("up",), ("dead", "list"), ("dead", "show"), ("dead", "replay")}
