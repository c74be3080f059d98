"""What a passkey signs when somebody decides: the decision itself, in a form that anybody can write again from the event.

Six lines of UTF-8, each ended by a newline; the WebAuthn challenge is their SHA-256:

    lockbox-decision/v1
    <request_digest: SHA-256 of the RequestSubmitted bytes, lower-case hex>
    <approve or deny>
    <duration, ISO 8601 as in the event>
    <settings_version>
    <resources, JSON as in the event: [{"id":"...","operations":["..."]}] without spaces>
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import orjson

from shared.events.values import Resource, Vote
from shared.web.fields import format_duration


def statement(
    *, request_digest: str, vote: Vote, duration: timedelta, resources: Sequence[Resource], settings_version: int
) -> bytes:
    """Write a decision as it is signed. Resources and operations stand in the order in which the event has them."""
    named = orjson.dumps([{"id": one.id, "operations": list(one.operations)} for one in resources]).decode()
    lines = ["lockbox-decision/v1", request_digest, vote, format_duration(duration), str(settings_version), named]
    return "".join(f"{line}\n" for line in lines).encode()


def challenge(signed: bytes) -> bytes:
    """Give the WebAuthn challenge of a statement: its SHA-256."""
    return hashlib.sha256(signed).digest()
