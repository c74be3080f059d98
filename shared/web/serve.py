"""Serves an app until the process is told to stop."""

import gc
import os
import signal
from types import FrameType
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from shared.settings import Settings

GRACEFUL_SECONDS: Final = 5
# A connection that waits for its next call is ended by the caller, not by us: where both give up after the same time, as
# uvicorn and httpx do with their five seconds, a call can meet its connection's end, and nobody knows whether it counted.
# Longer than the 60 s after which nginx lets go of a connection to us.
KEEP_ALIVE_SECONDS: Final = 75
# Python looks for cycles after every 700 new objects unless told otherwise, and a batch of commands alone makes thousands that
# live until its commit: measured, the looking took a quarter of a service's time.
GC_THRESHOLDS: Final = (20_000, 20, 20)


class _Server(uvicorn.Server):
    """uvicorn, which also tells the app that it stops: calls that only wait are answered then, and hold nobody up."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.started:
            # It looks at nothing before its start has ended, and the start waits for a database that may never come. What is
            # under way is undone as after any kill: nothing was acknowledged that is not durable.
            os._exit(0)
        self._app.state.stopping.set()
        super().handle_exit(sig, frame)


# Of what nobody waits for an answer from.
IN_THE_BACKGROUND: Final = 5


def serve(app: FastAPI, settings: Settings, *, niceness: int = 0) -> None:
    """Serve on `settings.host` and `settings.port`; return after SIGTERM or SIGINT, when calls and lifespan have ended.

    `niceness` is how far the process stands back on a machine that it shares with those whose answers people wait for.

    Calls that are under way get five seconds. Raises SystemExit(1) when the app does not start or the port is taken.
    """
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        ),
        app,
    )

    def stop(_: int, __: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises the signal once more after it has stopped; with this handler that ends nothing, and the exit code
    # is 0. It also hears a signal that comes before uvicorn listens.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # What was loaded stays for good: it need not be looked through.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        server.run()
    except SystemExit as end:
        structlog.get_logger(__name__).error("not started", host=settings.host, port=settings.port)
        raise SystemExit(1) from end
