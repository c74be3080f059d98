"""A mail catcher: takes every mail on the loopback, keeps it as an .eml file, and shows it to programs and to people.

`python -m deploy.local.mail --folder DIR --smtp-port N --http-port N`; it delivers nothing to anybody.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email
import email.policy
import functools
import html
import re
import secrets
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, Response

MAIL_LIMIT_BYTES = 1_000_000
# The folder's newest files are shown; older ones stay where they are.
SHOWN = 1000
ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")
# Nothing of a mail is ever markup of ours, and if it were, it could neither run nor call out.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; padding: .4rem .8rem .4rem 0;
border-bottom: 1px solid #ddd; vertical-align: top; overflow-wrap: anywhere }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: 1rem }}
</style><h1>{title}</h1>{body}</html>"""


@dataclass(frozen=True)
class Mailbox:
    """The folder of .eml files: a file's name is the mail's id, and begins with the time of its arrival."""

    folder: Path

    def keep(self, envelope: Envelope) -> str:
        """Store a mail as it came, under the sender and recipients of its envelope, and give its id."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
        outside = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        unfinished = self.folder / f".{name}"
        unfinished.write_bytes(outside.encode() + content)
        unfinished.rename(self.folder / f"{name}.eml")
        return name

    def ids(self) -> list[str]:
        """Give the ids of the newest mails, the newest first."""
        return sorted((file.stem for file in self.folder.glob("*.eml") if ID.fullmatch(file.stem)), reverse=True)[
            :SHOWN
        ]

    def read(self, message_id: str) -> bytes | None:
        if not ID.fullmatch(message_id):
            return None
        try:
            return (self.folder / f"{message_id}.eml").read_bytes()
        except FileNotFoundError:
            return None

    @functools.lru_cache(maxsize=2 * SHOWN)  # noqa: B019 - There is one mailbox, and a mail never changes.
    def summary(self, message_id: str) -> dict[str, object]:
        content = self.read(message_id) or b""
        return summary(message_id, email.message_from_bytes(content, policy=email.policy.default))

    def summaries(self) -> list[dict[str, object]]:
        return [self.summary(message_id) for message_id in self.ids()]


def summary(message_id: str, message: EmailMessage) -> dict[str, object]:
    """Tell who, to whom, what and when; the recipients are the envelope's, which no header can disguise."""
    arrived = datetime.strptime(message_id.partition("-")[0], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    return {
        "id": message_id,
        "to": _header(message, "X-Envelope-To").split(", "),
        "from": _header(message, "From") or _header(message, "X-Envelope-From"),
        "subject": _header(message, "Subject"),
        "received_at": arrived.isoformat().replace("+00:00", "Z"),
    }


def make_app(mailbox: Mailbox) -> FastAPI:
    app = FastAPI(title="Lockbox mail catcher", openapi_url=None)

    @app.get("/healthz")
    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/messages")
    def messages() -> dict[str, list[dict[str, object]]]:
        return {"items": mailbox.summaries()}

    @app.get("/messages/{message_id}.eml")
    def message(message_id: str) -> Response:
        return Response(_found(message_id), media_type="message/rfc822", headers=HEADERS)

    @app.get("/")
    def page_of_all() -> HTMLResponse:
        rows = "".join(
            f"<tr><td>{_shown(one['received_at'])}<td>{_shown(', '.join(one['to']))}"  # type: ignore[arg-type]  # a list
            f'<td><a href="/messages/{one["id"]}">{_shown(one["subject"] or "(no subject)")}</a>'
            for one in mailbox.summaries()
        )
        table = f"<table><tr><th>received<th>to<th>subject{rows}</table>" if rows else "<p>No mail yet.</p>"
        return _page("Caught mail", f"<p>These mails went to nobody: this is a local catcher.</p>{table}")

    @app.get("/messages/{message_id}")
    def page_of_one(message_id: str) -> HTMLResponse:
        parsed = email.message_from_bytes(_found(message_id), policy=email.policy.default)
        about = summary(message_id, parsed)
        rows = "".join(
            f"<tr><th>{name}<td>{_shown(', '.join(value) if isinstance(value, list) else value)}"
            for name, value in about.items()
        )
        links = f'<p><a href="/">all mails</a> · <a href="/messages/{message_id}.eml">source</a></p>'
        return _page(
            str(about["subject"]) or "(no subject)", f"{links}<table>{rows}</table><pre>{_shown(_text(parsed))}"
        )

    def _found(message_id: str) -> bytes:
        content = mailbox.read(message_id)
        if content is None:
            raise HTTPException(404)
        return content

    return app


class Catcher:
    """What aiosmtpd calls: every recipient is taken, and a mail is on the disk before it is answered for."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        name = await asyncio.to_thread(self._mailbox.keep, envelope)
        return f"250 kept as {name}"


async def run(folder: Path, smtp_port: int, http_port: int, host: str = "127.0.0.1") -> None:
    """Serve until SIGTERM or SIGINT."""
    mailbox = Mailbox(folder)
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Catcher(mailbox), hostname="localhost", data_size_limit=MAIL_LIMIT_BYTES, enable_SMTPUTF8=True),
        host=host,
        port=smtp_port,
    )
    config = uvicorn.Config(make_app(mailbox), host=host, port=http_port, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    async with smtp:
        await server.serve()


def _page(title: str, body: str) -> HTMLResponse:
    return HTMLResponse(PAGE.format(title=_shown(title), body=body), headers=HEADERS)


def _shown(value: object) -> str:
    return html.escape(str(value), quote=True)


def _header(message: EmailMessage, name: str) -> str:
    # A hostile header may not even parse; it is then shown as it came.
    try:
        return _clean(str(message.get(name, "")))
    except (ValueError, IndexError, AttributeError, LookupError):
        return _clean(str(dict(message.raw_items()).get(name, "")))


def _text(message: EmailMessage) -> str:
    try:
        body = message.get_body(preferencelist=("plain", "html"))
        return _clean(str(body.get_content())) if body else ""
    except (ValueError, LookupError, AttributeError, AssertionError):
        return message.as_bytes().decode(errors="replace")


def _clean(text: str) -> str:
    # Bytes that are no text come as lone surrogates, which no answer could hold.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def main() -> None:
    parser = argparse.ArgumentParser(description="Catch mail on the loopback.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument(
        "--host", default="127.0.0.1", help="Another address in a container alone, whose network is private."
    )
    arguments = parser.parse_args()
    arguments.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # uvicorn raises the signal again once it has stopped, and that is no failure of ours.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.folder, arguments.smtp_port, arguments.http_port, arguments.host))


if __name__ == "__main__":
    main()
