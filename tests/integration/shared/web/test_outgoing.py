"""Calls that leave the system reach public addresses and configured networks, and nothing else: on real servers of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from shared.web import outgoing
from shared.web.outgoing import Address, NotAllowed, TooMuch, is_public, is_within, outgoing_client

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a server that reads a request's head and does what it is told; give its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(await reader.readuntil(b"\r\n\r\n"), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The other side has had enough, which is what the tests are about.
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()


def answers(body: bytes = b"hello", head: str = "") -> Serve:
    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body)
        await writer.drain()

    return serve


class Names:
    """A stand-in for the resolver, with what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        now = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ip_address(one) for one in now]


async def get(url: str, **options: Any) -> httpx.Response:
    async with outgoing_client(**options) as client:
        return await client.get(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_this_machine_is_not_reached_however_it_is_written(host: str, scheme: str) -> None:
    reached = False

    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached = True

    async with server(serve) as port:
        with pytest.raises(NotAllowed, match="LOCKBOX_OUTBOUND_ALLOW"):
            await get(f"{scheme}://{host}:{port}/")
    assert not reached


async def test_a_network_that_is_configured_is_reached() -> None:
    async with server(answers()) as port:
        response = await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK)
    assert (response.status_code, response.text) == (200, "hello")


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.8", "192.0.2.1"),
        *("192.168.1.1", "198.18.0.1", "203.0.113.5", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("168.63.129.16", "100.100.100.200"),
        *(
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
        ),
        *("64:ff9b:1::a00:1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1"),
        *("fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "fe80::1%1"),
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_no_public_one(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_of_the_public_internet_is_one(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_mapped_address_lies_where_the_address_lies_that_it_stands_for() -> None:
    assert is_within(ip_address("::ffff:127.0.0.1"), LOOPBACK)
    assert not is_within(ip_address("::ffff:10.0.0.1"), LOOPBACK)
    assert not is_within(ip_address("64:ff9b::7f00:1"), LOOPBACK)


@pytest.mark.parametrize("order", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]])
async def test_a_name_with_one_address_that_is_refused_is_refused(order: list[str]) -> None:
    async with server(answers()) as port:
        with pytest.raises(NotAllowed, match=r"10\.0\.0\.1"):
            await get(f"http://mixed.example:{port}/", allow=LOOPBACK, lookup=Names(order))


async def test_a_name_with_a_public_and_a_private_address_is_refused() -> None:
    with pytest.raises(NotAllowed, match=r"127\.0\.0\.1"):
        await get("https://mixed.example/", lookup=Names(["93.184.216.34", "127.0.0.1"]))


async def test_a_name_is_resolved_once_and_no_other_address_is_connected_to() -> None:
    # What a name means the second time is of no interest: nobody asks.
    names = Names(["127.0.0.1"], ["10.9.9.9"])
    async with server(answers()) as port:
        response = await get(f"http://changing.example:{port}/", allow=LOOPBACK, lookup=names)
    assert response.text == "hello"
    assert names.asked == ["changing.example"]


async def test_the_server_hears_the_name_that_was_called() -> None:
    heard: list[bytes] = []

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        heard.append(head)
        await answers()(head, writer)

    async with server(serve) as port:
        await get(f"http://named.example:{port}/path?q=1", allow=LOOPBACK, lookup=Names(["127.0.0.1"]))
    (head,) = heard
    assert head.startswith(b"GET /path?q=1 HTTP/1.1\r\n")
    assert f"host: named.example:{port}\r\n".encode() in head.lower()


async def test_an_unencrypted_call_reaches_configured_networks_alone() -> None:
    with pytest.raises(NotAllowed, match="without TLS"):
        await get("http://public.example/", allow=LOOPBACK, lookup=Names(["93.184.216.34"]))


@pytest.mark.parametrize("url", ["ftp://public.example/", "file:///etc/passwd", "gopher://127.0.0.1/"])
async def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        await get(url, allow=LOOPBACK, lookup=Names(["127.0.0.1"]))


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async with server(answers()) as inner:

        async def redirect(_: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(
                f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{inner}/\r\ncontent-length: 0\r\n\r\n".encode()
            )

        async with server(redirect) as port:
            response = await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK)
    assert response.status_code == 302


async def test_a_caller_who_follows_a_redirect_is_stopped_at_a_private_address() -> None:
    async def redirect(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n")

    async with server(redirect) as port, outgoing_client(LOOPBACK) as client:
        with pytest.raises(NotAllowed, match=r"10\.0\.0\.1"):
            await client.get(f"http://127.0.0.1:{port}/", follow_redirects=True)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    async with server(answers()) as port:
        response = await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK)
    assert response.text == "hello"


async def test_a_body_that_is_too_long_is_cut_off() -> None:
    async with server(answers(b"x" * 2001)) as port:
        with pytest.raises(TooMuch):
            await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK, largest=2000)


async def test_a_body_without_an_end_is_cut_off() -> None:
    async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with server(endless) as port:
        with pytest.raises(TooMuch):
            await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK, largest=100_000)


async def test_a_body_that_trickles_is_given_up_in_time() -> None:
    async def slow(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with server(slow) as port:
        with pytest.raises(httpx.ReadTimeout):
            await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK, seconds=0.3)


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async def silent(_: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)

    async with server(silent) as port:
        with pytest.raises(httpx.TimeoutException):
            await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK, seconds=0.2)


async def test_a_name_that_is_looked_up_for_ever_is_given_up_in_time() -> None:
    async def never(host: str, port: int) -> Sequence[Address]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(httpx.TimeoutException):
        await get("https://slow.example/", lookup=never, seconds=0.1)


async def test_an_answer_that_is_packed_is_refused() -> None:
    async with server(answers(b"\x1f\x8b" + b"x" * 20, "content-encoding: gzip\r\n")) as port:
        with pytest.raises(TooMuch):
            await get(f"http://127.0.0.1:{port}/", allow=LOOPBACK)


async def test_a_cookie_is_not_kept() -> None:
    async with server(answers(head="set-cookie: a=1\r\n")) as port, outgoing_client(LOOPBACK) as client:
        response = await client.get(f"http://127.0.0.1:{port}/")
        assert not client.cookies
    assert "set-cookie" not in response.headers


async def test_a_name_that_does_not_exist_is_an_error_of_the_call() -> None:
    async def nothing(host: str, port: int) -> Sequence[Address]:
        raise OSError("Name or service not known")

    with pytest.raises(httpx.ConnectError, match="has no address"):
        await get("https://nowhere.example/", lookup=nothing)
    with pytest.raises(httpx.ConnectError, match="has no address"):
        await get("https://nowhere.example/", lookup=Names([]))


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async with server(answers()) as port:
        names = Names(["127.0.0.2", "127.0.0.1"])
        response = await get(f"http://several.example:{port}/", allow=LOOPBACK, lookup=names)
    assert response.text == "hello"


async def test_an_address_that_is_deaf_does_not_keep_the_next_one_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "_PATIENCE_SECONDS", 0.2)
    async with server(answers()) as port:
        with contextlib.ExitStack() as held:
            # Nobody takes its connections, and those that wait already are all that it lets wait.
            deaf = held.enter_context(socket.socket())
            deaf.bind(("127.0.0.2", port))
            deaf.listen(0)
            for _ in range(3):
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(deaf.getsockname())
            names = Names(["127.0.0.2", "127.0.0.1"])
            response = await get(f"http://several.example:{port}/", allow=LOOPBACK, lookup=names)
    assert response.text == "hello"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for named.example, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "named.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("named.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return path


async def test_tls_asks_for_the_name_and_checks_it_whatever_the_address(certificate: Path) -> None:
    asked: list[str | None] = []
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    serving.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    options: dict[str, Any] = {"allow": LOOPBACK, "lookup": Names(["127.0.0.1"]), "tls": trusting}
    async with server(answers(), serving) as port:
        response = await get(f"https://named.example:{port}/", **options)
        assert (response.text, asked) == ("hello", ["named.example"])
        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            await get(f"https://other.example:{port}/", **options)
        with pytest.raises(httpx.ConnectError):
            await get(f"https://named.example:{port}/", allow=LOOPBACK, lookup=Names(["127.0.0.1"]))


async def test_a_connection_that_is_kept_serves_the_name_that_it_was_made_for_alone(certificate: Path) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        await answers()(head, writer)
        await asyncio.sleep(0.2)

    async with (
        server(serve, serving) as port,
        outgoing_client(LOOPBACK, lookup=Names(["127.0.0.1"]), tls=trusting) as client,
    ):
        assert (await client.get(f"https://named.example:{port}/")).text == "hello"
        with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
            await client.get(f"https://other.example:{port}/")
