"""Logs: one JSON object a line on stdout, from our own code and from the libraries alike, without secrets."""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any, Final, Literal

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]

HIDDEN: Final = "[hidden]"
_SECRET_NAMES = re.compile(
    r"token|password|passwd|secret|authorization|cookie|credential|private|jwt|body|payload", re.IGNORECASE
)
_SECRET_PARTS = (
    # user:password@ of an address
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]*@", re.IGNORECASE), rf"\1:{HIDDEN}@"),
    # a signed token
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"), HIDDEN),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # what pydantic repeats of an input
    (re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL), f"input_value={HIDDEN}"),
    (re.compile(r"'input': .*", re.DOTALL), f"'input': {HIDDEN}"),
    # what PostgreSQL repeats of a row
    (re.compile(r"(DETAIL:\s+)[^\n]*"), rf"\1{HIDDEN}"),
)
_LONGEST_TEXT: Final = 4000


def without_secrets(text: str) -> str:
    """Hide passwords in addresses, tokens, and what libraries repeat of an input."""
    for pattern, hidden in _SECRET_PARTS:
        text = pattern.sub(hidden, text)
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "..."


def _hide(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = HIDDEN if _SECRET_NAMES.search(name) else without_secrets(value)
        elif isinstance(value, dict | list | tuple | bytes) and _SECRET_NAMES.search(name):
            event[name] = HIDDEN
    return event


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write an exception as text: where it happened, and what it says without secrets. Never the values of variables."""
    info: Any = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        parts = [
            f"{''.join(traceback.format_tb(one.__traceback__))}{type(one).__name__}: {without_secrets(str(one))}"
            for one in _chain(error)
        ]
        # The innermost cause first, as Python shows it. The end is what tells most.
        event["exception"] = "\n\n".join(reversed(parts))[-_LONGEST_TEXT:]
    return event


def _to_json(event: EventDict, **_: Any) -> str:
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
    try:
        return orjson.dumps(event, default=repr, option=options).decode()
    except orjson.JSONEncodeError:
        # Half a surrogate pair, or a number that JSON cannot hold: a log line is not lost for it.
        return orjson.dumps({name: ascii(value) for name, value in event.items()}).decode()


def configure_logging(service: str, level: Level = "info") -> None:
    """Send every log of this process to stdout as one JSON object a line.

    Each has `time`, `level`, `service`, `logger` and `event`, and what is bound with `structlog.contextvars`
    (`request_id`, `tenant`, `event_id`). Loggers are made with `structlog.get_logger(__name__)`. Values under names such
    as `token`, `password` or `body` are hidden.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]

    def name_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    every: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_service,
    ]
    structlog.configure(
        processors=[
            *every,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=every,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _exception,
                _hide,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in list(logging.root.manager.loggerDict):
        # uvicorn and FastStream bring handlers of their own: all lines take the one way.
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("faststream", "faststream.access.rabbit"):
        # FastStream makes its handler later, and only where none of the logger's own writes to stdout.
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
    for name in ("aio_pika", "aiormq", "asyncio", "httpcore", "httpx"):
        # They tell each frame and each call; our own lines say what matters of it.
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in ("aiormq.connection", "aio_pika.tools"):
        # They tell each failed try to connect, and each callback of a lost connection, as an error with its traceback.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
