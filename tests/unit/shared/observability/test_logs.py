"""Logs: one JSON object a line, from us and from the libraries, without secrets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.observability.logs import HIDDEN, without_secrets

ROOT = Path(__file__).parents[4]
START = """
import logging, structlog, warnings
from shared.observability.logs import configure_logging
log = structlog.get_logger("services.approval.api")
"""


def logged(code: str, level: str = "info") -> list[dict[str, Any]]:
    """Run code in a process of its own, which alone has its stdout."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", f"{START}configure_logging('approval', {level!r})\n{code}"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.removesuffix("\n").split("\n")]


def test_a_line_says_when_where_and_what_and_carries_what_is_bound() -> None:
    (line,) = logged("""
structlog.contextvars.bind_contextvars(request_id="r-1", tenant="contoso", event_id="e-1")
log.info("approved", votes=2)
""")
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "approved",
        "level": "info",
        "service": "approval",
        "logger": "services.approval.api",
        "request_id": "r-1",
        "tenant": "contoso",
        "event_id": "e-1",
        "votes": 2,
    }


def test_the_libraries_lines_take_the_same_way() -> None:
    lines = logged("""
structlog.contextvars.bind_contextvars(request_id="r-1")
import uvicorn.config
logging.getLogger("uvicorn.error").warning("no %s", "luck")
logging.getLogger("aio_pika.connection").warning("lost")
warnings.warn("old", DeprecationWarning)
""")
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("uvicorn.error", "warning"),
        ("aio_pika.connection", "warning"),
        ("py.warnings", "warning"),
    ]
    assert lines[0]["event"] == "no luck"
    assert all(line["request_id"] == "r-1" and line["service"] == "approval" for line in lines)


def test_faststream_which_brings_a_handler_of_its_own_takes_it_too() -> None:
    (line,) = logged("""
from faststream._internal.context.repository import ContextRepo
from faststream._internal.logger.logging import get_broker_logger
get_broker_logger("rabbit", {}, 10, "%(message)s", ContextRepo(), logging.INFO).info("received")
""")
    assert (line["logger"], line["event"]) == ("faststream.access.rabbit", "received")


def test_a_message_of_many_lines_is_one_line() -> None:
    (line,) = logged("log.info('one\\ntwo\\r\\nthree \\u2028 four')")
    assert line["event"].startswith("one\ntwo")


def test_the_level_decides_what_is_written() -> None:
    code = "log.debug('a'); log.info('b'); log.warning('c'); log.error('d')"
    assert [line["event"] for line in logged(code, "warning")] == ["c", "d"]
    assert [line["event"] for line in logged(code, "debug")] == ["a", "b", "c", "d"]


def test_secrets_are_hidden_by_their_names_and_by_their_look() -> None:
    lines = logged("""
log.info("signed in", token="abc", password="abc", access_token="abc", Authorization="abc", body={"a": "abc"}, email="a@b")
log.info("at postgresql://approval:abc@127.0.0.1/approval", cause="Bearer abcdefghijkl", sent="eyJhbGciOiJFZERTQSJ9.e30.abc")
logging.getLogger("aiormq").error("cannot reach amqp://approval:abc@127.0.0.1/lockbox")
""")
    assert "abc" not in json.dumps(lines)
    assert lines[0]["email"] == "a@b"
    assert lines[0]["token"] == HIDDEN
    assert lines[1]["event"] == f"at postgresql://approval:{HIDDEN}@127.0.0.1/approval"


def test_an_exception_is_told_without_the_values_of_its_variables() -> None:
    (line,) = logged("""
from pydantic import BaseModel
class Person(BaseModel):
    age: int
def sign_in(given):
    try:
        Person(age=given)
    except ValueError as error:
        raise RuntimeError("cannot reach amqp://a:hunter2@h/") from error
try:
    sign_in("hunter2")
except RuntimeError:
    log.exception("failed")
""")
    assert "in sign_in" in line["exception"]
    assert "RuntimeError: cannot reach" in line["exception"]
    assert "ValidationError" in line["exception"]
    assert "hunter2" not in json.dumps(line)


def test_what_json_cannot_hold_is_still_logged() -> None:
    lines = logged("""
import pathlib
log.info("odd", path=pathlib.Path("/x"), half="\\ud800", big=2**70, names={1: "a"}, raw=b"\\xff")
log.info("next")
""")
    assert [line["event"].strip("'") for line in lines] == ["odd", "next"]


@given(st.text(max_size=80))
def test_hiding_secrets_twice_hides_no_more(text: str) -> None:
    once = without_secrets(text)
    assert without_secrets(once) == once
