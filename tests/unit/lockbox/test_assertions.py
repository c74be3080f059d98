"""What anybody can check of a decision by the events alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lockbox.assertions import decision_statement, verify_decision, verify_offline
from shared import statement as signed
from shared.events.values import Resource
from shared.web.fields import format_duration, parse_resource
from tests.authenticator import PRESENT, VERIFIED, Algorithm, Authenticator, b64, cose, new_key, raw

ORIGIN, RP_ID = "https://lockbox.contoso.example", "lockbox.contoso.example"
VOTE: dict[str, Any] = {
    "request_digest": hashlib.sha256(b"what was asked").hexdigest(),
    "vote": "approve",
    "duration": "PT1H30M",
    "settings_version": 7,
    "resources": [{"id": "exchange-online/mailboxes/älice", "operations": ["read", "write"]}],
    "approver": {"id": "m-1", "email": "dpo@contoso.example", "name": "Dana"},
}


def told(authenticator: Authenticator, **wrong: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the data of FactorAdded and of VoteCast."""
    words = decision_statement(VOTE)
    response = authenticator.get(hashlib.sha256(words).digest(), **wrong)["response"]
    factor = {
        "member": {"id": "m-1"},
        "public_key": b64(cose(authenticator.key)),
        "credential_id": b64(authenticator.credential_id),
        "rp_id": RP_ID,
        "origin": ORIGIN,
    }
    assertion = {
        "credential_id": b64(authenticator.credential_id),
        "authenticator_data": response["authenticatorData"],
        "client_data_json": response["clientDataJSON"],
        "signature": response["signature"],
    }
    return factor, VOTE | {"assertion": assertion}


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_a_decision_that_was_signed_holds(algorithm: Algorithm) -> None:
    assert verify_decision(*told(Authenticator(ORIGIN, RP_ID, algorithm)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": ORIGIN + ":8443"},
        {"rp_id": "contoso.example"},
        {"type": "webauthn.create"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"cross_origin": True},
        {"key": new_key("ES256")},
    ],
    ids=lambda wrong: "another key" if "key" in wrong else str(wrong),
)
def test_what_was_signed_elsewhere_or_by_nobody_or_with_another_key_does_not_hold(wrong: dict[str, Any]) -> None:
    assert not verify_decision(*told(Authenticator(ORIGIN, RP_ID), **wrong))


@pytest.mark.parametrize(
    "changed",
    [
        {"vote": "deny"},
        {"duration": "PT4H"},
        {"settings_version": 8},
        {"request_digest": hashlib.sha256(b"something else").hexdigest()},
        {"resources": [{"id": "exchange-online", "operations": ["read", "write"]}]},
        {"resources": [{"id": "exchange-online/mailboxes/älice", "operations": ["write", "read"]}]},
        {"approver": {"id": "m-2"}},
        {"assertion": None},
        {"assertion": {}},
        {"resources": None},
        {"resources": "all"},
    ],
    ids=str,
)
def test_another_decision_than_the_one_signed_does_not_hold(changed: dict[str, Any]) -> None:
    factor, vote = told(Authenticator(ORIGIN, RP_ID))
    assert not verify_decision(factor, vote | changed)


def tampered(authenticator: Authenticator) -> Iterator[tuple[str, dict[str, Any]]]:
    """Change each byte of each part in turn, of the signature and the key every one."""
    _, vote = told(authenticator)
    for name, text in vote["assertion"].items():
        value = raw(text)
        for position in range(len(value)):
            changed = bytearray(value)
            changed[position] ^= 0x01
            yield f"{name}[{position}]", {name: b64(bytes(changed))}
        yield f"{name} shorter", {name: b64(value[:-1])}
        yield f"{name} longer", {name: b64(value + b"\0")}
        yield f"{name} empty", {name: ""}
        yield f"{name} padded", {name: text + "="}
        yield f"{name} no text", {name: None}


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_no_byte_of_an_assertion_can_be_changed(algorithm: Algorithm) -> None:
    authenticator = Authenticator(ORIGIN, RP_ID, algorithm)
    factor, vote = told(authenticator)
    assert verify_decision(factor, vote)
    held = [
        name for name, change in tampered(authenticator) if verify_decision(factor, vote | with_change(vote, change))
    ]
    assert held == []


def with_change(vote: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {"assertion": vote["assertion"] | change}


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_no_byte_of_the_public_key_can_be_changed(algorithm: Algorithm) -> None:
    factor, vote = told(Authenticator(ORIGIN, RP_ID, algorithm))
    value = raw(factor["public_key"])
    for position in range(len(value)):
        for bit in range(8):
            changed = bytearray(value)
            changed[position] ^= 1 << bit
            assert not verify_decision(factor | {"public_key": b64(bytes(changed))}, vote), (position, bit)
    assert not verify_decision(factor | {"public_key": b64(value + b"\0")}, vote)


@given(some.binary(max_size=120), some.binary(max_size=300), some.binary(max_size=100), some.binary(max_size=80))
def test_any_bytes_at_all_are_judged_and_hold_nothing(key: bytes, client: bytes, data: bytes, signature: bytes) -> None:
    assertion = {"authenticator_data": b64(data), "client_data_json": b64(client), "signature": b64(signature)}
    assert not verify_offline(b64(key), RP_ID, ORIGIN, assertion, b"words")


operations = some.lists(some.sampled_from(["read", "write", "delete", "admin"]), min_size=1, unique=True)


def _sound(text: str) -> bool:
    try:
        parse_resource(text)
    except ValueError:
        return False
    return True


@given(
    some.lists(some.tuples(some.text(min_size=1, max_size=40).filter(_sound), operations), min_size=1, max_size=4),
    some.integers(1, 4 * 3600),
    some.integers(1, 10**6),
    some.sampled_from(["approve", "deny"]),
)
def test_the_statement_is_the_same_from_the_event_as_it_was_when_it_was_signed(
    resources: list[tuple[str, list[str]]], seconds: int, version: int, vote: Any
) -> None:
    named = [Resource(id=one, operations=several) for one, several in resources]
    lasting = timedelta(seconds=seconds)
    words = signed.statement(
        request_digest=VOTE["request_digest"], vote=vote, duration=lasting, resources=named, settings_version=version
    )
    event = json.loads(
        json.dumps(
            VOTE
            | {
                "vote": vote,
                "duration": format_duration(lasting),
                "settings_version": version,
                "resources": [one.model_dump() for one in named],
            }
        )
    )
    assert decision_statement(event) == words


def test_the_check_needs_nothing_of_the_server() -> None:
    script = (
        "import sys, lockbox.assertions; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'services', 'shared', 'pydantic', 'webauthn', 'cbor2', 'orjson', 'asyncpg', 'fastapi', 'httpx'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
