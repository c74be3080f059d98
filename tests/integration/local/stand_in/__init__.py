"""Services that only answer `/readyz`: for tests of the supervisor, which must not care what it supervises."""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if "STAND_IN_NEVER_READY" in os.environ else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def serve() -> None:
    """Serve as the environment says, until SIGTERM."""
    if os.environ.get("STAND_IN_BROKEN") == os.environ["LOCKBOX_PORT"]:
        sys.exit("the stand-in is broken, as it was told to be")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    HTTPServer((os.environ["LOCKBOX_HOST"], int(os.environ["LOCKBOX_PORT"])), Answer).serve_forever()
