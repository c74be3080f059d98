"""Each operation of the client, held against the documents of the services: address, parameters, body, and idempotency."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # It ships no types.
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lockbox.client.calls import Call
from lockbox.client.groups import Group, Listing, Operation, Procedure
from lockbox.client.operations.account import Account, sign_in, sign_in_as_machine, sign_out
from lockbox.client.operations.actions import Actions
from lockbox.client.operations.history import Log
from lockbox.client.operations.members import MachineClients, Members
from lockbox.client.operations.requests import Grants, Requests
from lockbox.client.operations.tenants import Changes, Issuers, Tenants, TenantSettings
from lockbox.client.surface import Surface
from lockbox.client.things.requests import Resource
from lockbox.client.things.tenants import Settings
from shared.settings import Settings as ServerSettings
from shared.web.app import openapi

ID = "0193f2a0-0000-7000-8000-000000000000"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RESOURCES = [Resource(id="exchange-online/mailboxes/alice", operations=("read",))]
WHEN = {"since": NOW, "until": NOW}
PAGE = {"cursor": "abc", "limit": 5}
SETTINGS = Settings(
    enabled=True,
    decision_window=HOUR,
    max_duration=HOUR,
    approvals_required=1,
    services=("exchange-online",),
    notify=("soc@contoso.example",),
    reminders=(),
    links_in_mail=True,
    second_factor="any",
    version=3,
)
ASKED = {
    "tenant": "contoso",
    "service": "exchange-online",
    "ticket": "T-1",
    "category": "customer_support",
    "detail": "It does not open.",
    "resources": RESOURCES,
    "duration": HOUR,
    "starts_at": NOW,
    "extends": ID,
}
FACTOR: dict[str, Any] = {"code": "123456", "settings_version": 3}
PERSON = {"employer": "Contoso", "job_title": "Lawyer", "country": "DE"}
ISSUER = {"issuer": "https://id.contoso.example", "name": "Contoso", "client_id": "lockbox", "algorithm": "ES256"}
WHO = ("contoso", "dpo@contoso.example")
HERE = {"tenant": "contoso", "state": "active", "engineer": WHO[1], "service": "x", **WHEN, **PAGE}
NARROWED = {**HERE, "order": "deadline", "text": "x"}
TOLD = {**HERE, "approver": WHO[1]}
READ = {"after": "a", "limit": 5, "wait": 3, "tenant": "t", "types": ["x.v1"], "subject": ID, "since": NOW}

EXAMPLES: dict[tuple[type[Group[Any]], str], tuple[tuple[Any, ...], dict[str, Any]]] = {
    (Requests, "submit"): ((), ASKED),
    (Requests, "page"): ((), NARROWED),
    (Requests, "get"): ((ID,), {}),
    (Requests, "withdraw"): ((ID,), {}),
    (Requests, "answer"): ((ID, "Yes."), {}),
    (Requests, "ask"): ((ID, "Why?"), {}),
    (Requests, "provider_approve"): ((ID, "Fine."), {}),
    (Requests, "provider_deny"): ((ID, "No."), {}),
    (Requests, "approve"): ((ID, "Fine."), {"duration": HOUR, "resources": RESOURCES, **FACTOR}),
    (Requests, "deny"): ((ID, "No."), FACTOR),
    (Requests, "challenge"): ((ID, "approve"), {"duration": HOUR, "resources": RESOURCES}),
    (Requests, "token"): ((ID,), {}),
    (Requests, "services"): ((), {}),
    (Grants, "revoke"): ((ID, "Enough."), {}),
    (Grants, "release"): ((ID,), {}),
    (Actions, "act"): (("token", "exchange-online/mailboxes/alice", "read", "x"), {}),
    (Actions, "complete"): (("token", ID, "success", "x"), {}),
    (Tenants, "register"): (("acme", "Acme"), {"entitled": True, "admin_email": "a@acme.example", "admin_name": "A"}),
    (Tenants, "page"): ((), PAGE),
    (Tenants, "get"): (("contoso",), {}),
    (Tenants, "entitle"): (("contoso",), {"entitled": False}),
    (TenantSettings, "get"): (("contoso",), {}),
    (TenantSettings, "put"): (("contoso", SETTINGS), {}),
    (Changes, "page"): (("contoso",), PAGE),
    (Changes, "get"): (("contoso", ID), {}),
    (Changes, "approve"): (("contoso", ID), {}),
    (Changes, "deny"): (("contoso", ID), {}),
    (Issuers, "page"): (("contoso",), {}),
    (Issuers, "add"): (("contoso",), {**ISSUER, "client_secret": "s" * 20, "group_claim": "g", "mapping": {"a": "auditor"}}),
    (Issuers, "remove"): (("contoso", ID), {}),
    (Members, "page"): (("contoso",), {"text": "d", "role": "auditor", **PAGE}),
    (Members, "add"): (("contoso",), {"email": WHO[1], "name": "Dana", "roles": ["auditor"], **PERSON}),
    (Members, "get"): (WHO, {}),
    (Members, "remove"): (WHO, {}),
    (Members, "give_role"): ((*WHO, "auditor"), {}),
    (Members, "take_role"): ((*WHO, "auditor"), {}),
    (Members, "reset_password"): (WHO, {}),
    (Members, "remove_factors"): (WHO, {}),
    (MachineClients, "page"): (("contoso",), {}),
    (MachineClients, "create"): (("contoso", "siem"), {}),
    (MachineClients, "revoke"): (("contoso", ID), {}),
    (Account, "show"): ((), {}),
    (Account, "change_password"): (("old password here", "new password here"), {}),
    (Account, "sessions"): ((), {}),
    (Account, "end_session"): ((ID,), {}),
    (Account, "new_recovery_codes"): (("password",), {}),
    (Account, "add_totp"): (("password",), {}),
    (Account, "confirm_totp"): ((ID, "123456"), {}),
    (Account, "remove_factor"): ((ID, None), {}),
    (Account, "set_up"): (("t" * 43, "a long password"), {}),
    (Account, "recover"): ((*WHO, "code-code", "a long password"), {}),
    (Log, "page"): ((), READ),
    (Log, "end"): (("contoso",), {}),
    (Log, "event"): ((ID,), {}),
    (Log, "event_bytes"): ((ID,), {}),
    (Log, "requests_page"): ((), TOLD),
    (Log, "request"): ((ID,), PAGE),
}  # fmt: skip
GROUPS = (Requests, Grants, Actions, Tenants, TenantSettings, Changes, Issuers, Members, MachineClients, Account, Log)
# The key of a token's call is not looked at: each call issues another token, so a repeat harms nothing.
KEYED_ALL_THE_SAME = {"/v1/requests/{id}/token"}


def calls() -> Iterator[tuple[str, Call[Any]]]:
    for (group, name), (args, kwargs) in EXAMPLES.items():
        yield f"{group.__name__}.{name}", getattr(group, name).describe(*args, **kwargs)
    plain = {"state": "active", "tenant": "contoso", **PAGE}
    yield "Requests.page, where it goes by the realm", Requests.page.describe(**plain)  # type: ignore[arg-type]
    yield "sign_in", sign_in("contoso", WHO[1], "password", "123456")
    yield "sign_in_as_machine", sign_in_as_machine(ID, "secret")
    yield "sign_out", sign_out()


CALLS = dict(calls())


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    path: Path = tmp_path_factory.mktemp("keys") / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings = ServerSettings(
        database_url="postgresql://localhost/nowhere",
        amqp_url="amqp://localhost/nowhere",
        internal_secret="only-for-the-documents-never-served",
        token_key_file=path,
        log_origin="lockbox.example",
    )
    services = ("request_api", "approval", "audit")
    return {name: openapi(import_module(f"services.{name}.app").build(settings)) for name in services}


def test_every_operation_has_an_example() -> None:
    described = {
        getattr(group, name).describe for group, name in EXAMPLES if isinstance(getattr(group, name), Operation)
    }
    for group in GROUPS:
        for name, one in vars(group).items():
            if isinstance(one, Operation | Listing) and name != "events_of":
                assert one.describe in described, f"{group.__name__}.{name} has no example here"
            assert not isinstance(one, Procedure) or one.program.__doc__


def test_every_operation_is_in_the_reference() -> None:
    reference = (Path(__file__).parents[3] / "docs" / "reference" / "client.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", reference, re.MULTILINE))
    surface: Surface[Any] = Surface(None)  # type: ignore[arg-type]  # Nothing is called.
    groups = {name: type(group) for name, group in vars(surface).items()}
    assert rows.keys() == groups.keys()
    for name, group in groups.items():
        operations = {one for one, made in vars(group).items() if isinstance(made, Operation | Listing | Procedure)}
        assert set(re.findall(r"`([a-z_]+)`", rows[name])) == operations


@pytest.mark.parametrize("name", CALLS)
def test_an_operation_fits_the_documents_of_each_service_that_it_can_go_to(
    name: str, documents: dict[str, dict[str, Any]]
) -> None:
    call = CALLS[name]
    for service in ("request_api", "approval") if call.place == "own" else (call.place,):
        document = documents[service]
        template, route = _route(document, call)
        parameters = {one["name"]: one["in"] for one in route.get("parameters", [])}
        assert set(call.query) <= {one for one, where in parameters.items() if where == "query"}, template
        assert call.keyed is ("Idempotency-Key" in parameters) or template in KEYED_ALL_THE_SAME, template
        if call.body:
            schema = route["requestBody"]["content"]["application/json"]["schema"]
            jsonschema.validate(call.body, {**schema, "components": document["components"]})
        elif route.get("requestBody", {}).get("required") and call.form is None:
            assert call.body is not None, "a body is required"


def _route(document: dict[str, Any], call: Call[Any]) -> tuple[str, dict[str, Any]]:
    for template, methods in sorted(document["paths"].items(), key=lambda item: item[0].count("{")):
        pattern = re.sub(r"\\\{[^/]+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, call.path) and call.method.lower() in methods:
            return template, methods[call.method.lower()]
    raise AssertionError(f"{call.method} {call.path} is not there")
