"""STARTTLS and passwords against a real mail server: a password never goes over a line that is not encrypted unasked."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.mail.smtp import Unreachable, mail_server
from shared.settings import Settings


@dataclass
class Guarded:
    """A server that knows one password, and keeps what it was shown; `mails` says of each whether it came encrypted."""

    port: int = 0
    mails: list[bool] = field(default_factory=list)
    passwords: list[bytes] = field(default_factory=list)

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.passwords.append(data.password)
        return AuthResult(success=data.password == b"right", handled=False)

    async def handle_DATA(self, _server: Any, session: Any, _envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(session.ssl is not None)
        return "250 taken"


@asynccontextmanager
async def guarded(tls: ssl.SSLContext | None = None) -> AsyncIterator[Guarded]:
    loop, guard = asyncio.get_running_loop(), Guarded()

    def session() -> SMTP:
        return SMTP(
            guard,
            loop=loop,
            tls_context=tls,
            authenticator=guard.authenticate,
            # aiosmtpd warns of one that asks for passwords in the clear; here it offers to take them.
            auth_required=tls is not None,
            auth_require_tls=tls is not None,
        )

    server = await loop.create_server(session, "127.0.0.1", 0)
    guard.port = server.sockets[0].getsockname()[1]
    try:
        yield guard
    finally:
        server.close()
        await server.wait_closed()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1: the server's side of TLS, and the file that lets a client believe it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "catcher")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public


def settings(port: int, *, starttls: str, password: str = "right") -> Settings:
    return Settings.model_validate(
        {
            "database_url": "postgresql://nobody@127.0.0.1/none",
            "amqp_url": "amqp://nobody@127.0.0.1/none",
            "internal_secret": "the-internal-secret-of-the-tests-alone",
            "smtp_url": f"smtp://127.0.0.1:{port}",
            "smtp_starttls": starttls,
            "smtp_user": "lockbox",
            "smtp_password": password,
        }
    )


async def send(chosen: Settings) -> None:
    message = EmailMessage()
    message["Subject"] = "Test"
    message.set_content("Test")
    async with mail_server(chosen).connected() as session:
        await session.send(message, sender="lockbox@localhost", recipient="dpo@contoso.example")


async def test_with_starttls_the_mail_and_the_password_go_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, believed = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(believed))
    async with guarded(context) as guard:
        await send(settings(guard.port, starttls="auto"))
        await send(settings(guard.port, starttls="required"))
    assert guard.mails == [True, True]


async def test_a_certificate_that_nobody_vouches_for_gets_no_password(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    async with guarded(context) as guard:
        with pytest.raises(Unreachable):
            await send(settings(guard.port, starttls="auto"))
    assert guard.passwords == []


async def test_a_password_is_not_sent_where_the_server_offers_no_starttls() -> None:
    async with guarded() as guard:
        for starttls in ("auto", "required"):
            with pytest.raises(Unreachable):
                await send(settings(guard.port, starttls=starttls))
    assert guard.passwords == []


async def test_with_starttls_off_the_password_goes_as_it_is() -> None:
    async with guarded() as guard:
        await send(settings(guard.port, starttls="off"))
    assert (guard.mails, guard.passwords) == ([False], [b"right"])


async def test_a_wrong_password_is_a_fault_that_may_pass_and_not_the_recipients() -> None:
    async with guarded() as guard:
        with pytest.raises(Unreachable):
            await send(settings(guard.port, starttls="off", password="wrong"))
    assert guard.mails == []
