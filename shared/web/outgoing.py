"""The one client for calls that leave the system: it resolves a name once, judges every address, and connects to no other.

Whoever names an address (a tenant its issuer, its webhook) must not reach through us what he cannot reach himself: this
machine, its private networks, the cloud's metadata. What is allowed beyond the public internet is a setting.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import httpcore
import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Give the addresses of a name, in the order in which to try them. Raises OSError."""

WHOLE_SECONDS: Final = 10.0
LARGEST_ANSWER: Final = 1024 * 1024
_TRIED_ADDRESSES: Final = 4
# How long one of several addresses may keep the others waiting.
_PATIENCE_SECONDS: Final = 2.0
_LOOKUPS_AT_ONCE: Final = 4
_CONNECTIONS: Final = httpx.Limits(max_connections=50, max_keepalive_connections=10, keepalive_expiry=5.0)

# RFC 4291, 2.4: what is handed out as global unicast. All else in IPv6 is local, mapped, or for experiments.
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
# RFC 6052: addresses of IPv4 as a network without IPv4 sees them, the last 32 bits being the address itself.
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Python's own register differs from version to version, and has no word on what only looks public.
_NEVER: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            # Azure's host answers each of its machines at this address.
            "168.63.129.16/32",
            # Teredo, 6to4 and documentation: tunnels to an IPv4 address that stands within, and nobody's.
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "3fff::/20",
        ),
    )
)


class NotAllowed(httpx.TransportError):
    """The address must not be reached from here. The words are for whoever runs the system: they name the address."""


class TooMuch(httpx.TransportError):
    """An answer was longer than it may be, or packed so that nobody knows how long it is."""


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet, in whatever wrapping it comes."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _GLOBAL_IPV6:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address.version == network.version and address in network for network in _NEVER)
    )


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    """Say whether an address lies in one of the networks; a mapped one counts as the IPv4 address that it stands for."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)


def outgoing_client(
    allow: Iterable[Network] = (),
    *,
    seconds: float = WHOLE_SECONDS,
    largest: int = LARGEST_ANSWER,
    tls: ssl.SSLContext | None = None,
    lookup: Lookup | None = None,
) -> httpx.AsyncClient:
    """Make the client. Close it at the end.

    It reaches public addresses by https, and those in the networks `allow` by http too. Every address that a name has must
    be one of these, else the call is refused. No redirect is followed and no proxy of the environment used. `seconds` bounds
    a whole call from the look-up to the answer's last byte, `largest` the answer in bytes. Raises NotAllowed, TooMuch and
    the errors of httpx, all of them httpx.TransportError.
    """
    transport = _Guarded(tuple(allow), seconds=seconds, largest=largest, tls=tls, lookup=lookup)
    return httpx.AsyncClient(
        transport=transport,
        timeout=seconds,
        follow_redirects=False,
        trust_env=False,
        headers={"user-agent": "lockbox", "accept-encoding": "identity"},
    )


class _Guarded(httpx.AsyncBaseTransport):
    """Sends what may be sent, over connections that are named by host and made to a judged address.

    TLS asks for and checks the name of the host, whatever the address, and no connection serves two names.
    """

    def __init__(
        self,
        allow: Sequence[Network],
        *,
        seconds: float,
        largest: int,
        tls: ssl.SSLContext | None,
        lookup: Lookup | None,
    ) -> None:
        self._seconds = seconds
        self._largest = largest
        # Names are looked up by threads that nobody can stop: slow ones must not use up those that others need.
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="lookup")
        find = lookup or self._look_up
        context = tls or httpx.create_ssl_context()
        self._pools = {
            "https": _pool(context, _Judging(find, lambda one: is_public(one) or is_within(one, allow))),
            "http": _pool(context, _Judging(find, lambda one: is_within(one, allow))),
        }

    async def aclose(self) -> None:
        """End all connections."""
        for pool in self._pools.values():
            await pool.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        pool = self._pools.get(request.url.scheme)
        if pool is None:
            raise httpx.UnsupportedProtocol(f"{request.url.scheme}: only https, and http to allowed networks")
        assert isinstance(request.stream, httpx.AsyncByteStream), "an asynchronous client makes no other"
        deadline = asyncio.get_running_loop().time() + self._seconds
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        asked = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        async with _until(deadline):
            answered = await pool.handle_async_request(asked)
        assert not isinstance(answered.stream, Iterable)
        body = _Bounded(answered.stream, deadline, self._largest)
        # A jar of cookies would be one for all tenants; nobody we call needs one.
        headers = httpx.Headers([one for one in answered.headers if one[0].lower() != b"set-cookie"])
        if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            await body.aclose()
            raise TooMuch("the answer is packed, which was not asked for")
        return httpx.Response(answered.status, headers=headers, stream=body, extensions=answered.extensions)

    async def _look_up(self, host: str, port: int) -> Sequence[Address]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [ip_address(where[4][0]) for where in found]


def _pool(context: ssl.SSLContext, network: httpcore.AsyncNetworkBackend) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        ssl_context=context,
        max_connections=_CONNECTIONS.max_connections,
        max_keepalive_connections=_CONNECTIONS.max_keepalive_connections,
        keepalive_expiry=_CONNECTIONS.keepalive_expiry,
        network_backend=network,
    )


class _Judging(httpcore.AsyncNetworkBackend):
    """Opens connections to the addresses of a name, after all of them were judged."""

    def __init__(self, lookup: Lookup, may_reach: Callable[[Address], bool]) -> None:
        self._lookup = lookup
        self._may_reach = may_reach
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - The interface is httpcore's.
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            # The pool names an IPv6 host without its brackets, so a literal address is found like a name.
            addresses = list(dict.fromkeys(await self._lookup(host, port)))
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} has no address: {error}") from error
        for address in addresses:
            # One address that is refused refuses them all: a name with both kinds is set up to get past this.
            if not self._may_reach(address):
                raise NotAllowed(
                    f"{host} is at {address}, which outgoing calls must not reach: LOCKBOX_OUTBOUND_ALLOW names the private "
                    "networks that they may, and only these are spoken to without TLS"
                )
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        tried = addresses[:_TRIED_ADDRESSES]
        for position, address in enumerate(tried, 1):
            # Behind the last address nothing waits.
            patience = timeout if position == len(tried) else min(timeout or _PATIENCE_SECONDS, _PATIENCE_SECONDS)
            try:
                return await self._network.connect_tcp(str(address), port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Bounded(httpx.AsyncByteStream):
    """An answer's body that ends with an error where it is too long or too slow."""

    def __init__(self, body: AsyncIterable[bytes], deadline: float, largest: int) -> None:
        self._body = body
        self._deadline = deadline
        self._left = largest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self._body)
        while True:
            async with _until(self._deadline):
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
            self._left -= len(part)
            if self._left < 0:
                raise TooMuch("the answer is longer than it may be")
            yield part

    async def aclose(self) -> None:
        close = getattr(self._body, "aclose", None)
        if close is not None:
            await close()


@contextlib.asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    """End what takes longer, and speak of errors as httpx does."""
    try:
        async with asyncio.timeout_at(deadline):
            with _as_httpx():
                yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("the call took longer than it may") from error


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        # httpx has an error of the same name for each.
        raise getattr(httpx, type(error).__name__, httpx.TransportError)(str(error)) from error
