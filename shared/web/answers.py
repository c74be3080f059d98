"""Answers as bytes of JSON, made once: what is sent is what an idempotency key keeps."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel

from shared.web.fields import format_duration, format_timestamp


def _other(value: object) -> Any:
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def to_json(content: object) -> bytes:
    """Write JSON as the contract has it: times in RFC 3339 UTC, durations in ISO 8601. Raises TypeError."""
    return orjson.dumps(content, default=_other, option=orjson.OPT_PASSTHROUGH_DATETIME)


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer of an object (or of the bytes that `to_json` made of it)."""
    body = content if isinstance(content, bytes) else to_json(content)
    return Response(body, status, headers, "application/json")
