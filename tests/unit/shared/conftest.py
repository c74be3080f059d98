"""Unit tests log as plain JSON: the library's own default renders every variable of every frame, which takes seconds."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()])
    yield
    structlog.reset_defaults()
