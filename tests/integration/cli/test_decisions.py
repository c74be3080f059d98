"""What `request approve` and `deny` send: the stage follows from the side on which somebody is signed in."""

import json
from pathlib import Path

import pytest

from tests.integration.cli.commands import Here
from tests.unit.lockbox.flaky import ID, Answer, Flaky, flaky, problem, request

DONE = Answer(body=request(state="approved"))
NARROWING = ("--duration", "45m", "--resource", "exchange-online/mailboxes/alice=read")


async def signed_in(folder: Path, server: Flaky, realm: str) -> Here:
    here = Here(folder)
    who = ("--realm", realm, "--email", "a@x.example", "--approval", server.url, "--password-stdin")
    await here.does("login", *who, stdin="password\n")
    return here


def session(realm: str) -> Answer:
    return Answer(body={"access_token": "x", "expires_in": 3600, "realm": realm, "roles": []})


async def test_the_customer_decides_and_may_grant_less(tmp_path: Path) -> None:
    async with flaky(session("contoso"), DONE) as server:
        here = await signed_in(tmp_path, server, "contoso")
        await here.does("request", "approve", ID, "--comment", "Fine.", "--code", "123456", *NARROWING)
        await here.does("request", "deny", ID, "--comment", "No.")
    approved, denied = server.got[1:]
    assert approved.path == f"/v1/requests/{ID}/approve"
    assert json.loads(approved.body) == {
        "comment": "Fine.",
        "code": "123456",
        "duration": "PT45M",
        "resources": [{"id": "exchange-online/mailboxes/alice", "operations": ["read"]}],
    }
    assert (denied.path, json.loads(denied.body)) == (f"/v1/requests/{ID}/deny", {"comment": "No."})
    assert approved.headers["idempotency-key"] != denied.headers["idempotency-key"]


async def test_the_provider_agrees_to_all_of_it_or_refuses(tmp_path: Path) -> None:
    async with flaky(session("provider"), DONE) as server:
        here = await signed_in(tmp_path, server, "provider")
        await here.does("request", "approve", ID)
        await here.does("request", "deny", ID, "--comment", "No.")
        for wrong in (NARROWING[:2], NARROWING[2:], ("--code", "123456"), ("--settings-version", "1")):
            assert (await here.lockbox("request", "approve", ID, *wrong)).code == 2
    assert [one.path.rpartition("/")[2] for one in server.got] == ["sessions", "provider-approve", "provider-deny"]


async def test_without_a_terminal_a_demanded_second_factor_is_a_refusal_and_is_not_asked_for(tmp_path: Path) -> None:
    async with flaky(session("contoso"), problem(403, "second_factor_required")) as server:
        here = await signed_in(tmp_path, server, "contoso")
        for command in (("approve", ID), ("deny", ID, "--comment", "No.")):
            assert (await here.is_refused("request", *command))["code"] == "second_factor_required"
    assert len(server.got) == 3


@pytest.mark.parametrize("resource", ["", "=read", "a=", "a", "a=read,", "a=,"])
async def test_a_resource_without_name_or_operation_is_wrong_usage(tmp_path: Path, resource: str) -> None:
    async with flaky(session("contoso"), DONE) as server:
        here = await signed_in(tmp_path, server, "contoso")
        said = await here.lockbox("request", "approve", ID, "--resource", resource)
    assert (said.code, "=read,write" in said.error, len(server.got)) == (2, True, 1)


async def test_the_fields_of_a_refusal_are_named(tmp_path: Path) -> None:
    errors = [{"field": "duration", "message": "is \x1b[31mtoo long"}, {"field": "resources.0", "message": "is wider"}]
    async with flaky(session("contoso"), problem(422, "widens_request", errors=errors)) as server:
        here = await signed_in(tmp_path, server, "contoso")
        said = await here.lockbox("request", "approve", ID)
        program = await here.is_refused("request", "approve", ID)
    assert "  duration: is \\x1b[31mtoo long\n  resources.0: is wider\n" in said.error
    assert program["errors"] == errors
    assert program["request_id"] == "r-1"
