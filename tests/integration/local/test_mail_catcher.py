"""The mail catcher: what it takes it keeps, shows to programs, and shows to people without harm."""

from __future__ import annotations

import asyncio
import smtplib
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from deploy.local.process import Process
from deploy.local.state import free_port
from tests.integration.local.ups import answers

HOSTILE = "<script>alert(1)</script>"


@dataclass
class Catcher:
    smtp_port: int
    http: httpx.AsyncClient
    folder: Path

    async def send(self, content: bytes, *to: str) -> None:
        def deliver() -> None:
            with smtplib.SMTP("127.0.0.1", self.smtp_port) as smtp:
                smtp.sendmail("lockbox@localhost", to, content)

        await asyncio.to_thread(deliver)

    async def newest(self) -> dict[str, object]:
        item: dict[str, object] = (await self.http.get("/messages")).json()["items"][0]
        return item


@pytest.fixture(scope="module")
async def catcher(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Catcher]:
    folder = tmp_path_factory.mktemp("catcher")
    smtp_port, http_port = free_port(), free_port()
    ports = ("--smtp-port", str(smtp_port), "--http-port", str(http_port))
    command = [sys.executable, "-m", "deploy.local.mail", "--folder", str(folder / "mail"), *ports]
    process = Process("mail", command, env={}, log=folder / "mail.log")
    await process.start()
    await answers(f"http://127.0.0.1:{http_port}")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}") as http:
        yield Catcher(smtp_port, http, folder / "mail")
    await process.stop()
    assert await process.wait() == 0


def mail(subject: str, text: str = "Please decide.") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Lockbox <lockbox@localhost>", "dpo@contoso.example", subject
    message.set_content(text)
    return message.as_bytes()


async def test_a_mail_is_listed_and_given_out_as_it_came(catcher: Catcher) -> None:
    await catcher.send(mail("Access to Alice’s mailbox"), "dpo@contoso.example", "admin@contoso.example")
    one = await catcher.newest()
    assert one["to"] == ["dpo@contoso.example", "admin@contoso.example"]
    assert one["from"] == "Lockbox <lockbox@localhost>"
    assert one["subject"] == "Access to Alice’s mailbox"
    assert str(one["received_at"]).endswith("Z")
    source = await catcher.http.get(f"/messages/{one['id']}.eml")
    assert message_from_bytes(source.content).get_payload().strip() == "Please decide."  # type: ignore[union-attr]  # plain
    file = catcher.folder / f"{one['id']}.eml"
    assert file.read_bytes() == source.content
    assert stat.S_IMODE(catcher.folder.stat().st_mode) == 0o700


async def test_a_hostile_mail_is_shown_as_text(catcher: Catcher) -> None:
    await catcher.send(mail(HOSTILE, HOSTILE), "dpo@contoso.example")
    one = await catcher.newest()
    for page in ("/", f"/messages/{one['id']}"):
        answer = await catcher.http.get(page)
        assert answer.status_code == httpx.codes.OK
        assert HOSTILE not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: \xff\xfe\r\n\r\n\xff",
        b"Subject: =?nonsense?q?=FF?=\r\nFrom: <<<\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--y",
        b"",
    ],
)
async def test_a_mail_that_is_none_is_kept_and_shown_all_the_same(catcher: Catcher, content: bytes) -> None:
    await catcher.send(content, "dpo@contoso.example")
    one = await catcher.newest()
    assert one["to"] == ["dpo@contoso.example"]
    assert (await catcher.http.get("/")).status_code == httpx.codes.OK
    assert (await catcher.http.get(f"/messages/{one['id']}")).status_code == httpx.codes.OK


@pytest.mark.parametrize("message_id", ["unknown", "..%2F..%2Fkept", "20260101T000000.000000Z-00000000"])
async def test_what_is_no_mail_is_not_found(catcher: Catcher, message_id: str) -> None:
    for path in (f"/messages/{message_id}", f"/messages/{message_id}.eml"):
        assert (await catcher.http.get(path)).status_code == httpx.codes.NOT_FOUND
