"""docs/promises.md names tests that exist, and each promise has one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent.parent
PROMISES = [
    line.split("|")[1:3]
    for line in (TESTS.parent / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| Promise", "| ---"))
]


@cache
def defined_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise[0].strip()[:60])
def test_each_promise_names_tests_that_exist(promise: list[str]) -> None:
    named = re.findall(r"`([^`]+)::(\w+)`", promise[1])
    assert named, promise[0]
    for file, name in named:
        assert name in defined_in(file), f"{file}::{name} is not there"


def test_there_are_promises() -> None:
    assert len(PROMISES) > 50
