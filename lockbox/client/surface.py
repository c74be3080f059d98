"""What both clients have: the same groups of operations, the same settings, and one way to say that nobody answered."""

from __future__ import annotations

import ssl
from importlib import metadata
from typing import Any, Generic

import httpx

from lockbox.client.addresses import Addresses, is_loopback
from lockbox.client.calls import Reply
from lockbox.client.errors import Unreachable
from lockbox.client.groups import Mode, Transport
from lockbox.client.operations.account import Account
from lockbox.client.operations.actions import Actions
from lockbox.client.operations.history import Log
from lockbox.client.operations.members import MachineClients, Members
from lockbox.client.operations.requests import Grants, Requests
from lockbox.client.operations.tenants import Changes, Issuers, Tenants, TenantSettings
from lockbox.client.sending import Caller, Policy


class Surface(Generic[Mode]):
    """The groups of operations, each described where its class is."""

    def __init__(self, transport: Transport) -> None:
        self.account: Account[Mode] = Account(transport)
        self.requests: Requests[Mode] = Requests(transport)
        self.grants: Grants[Mode] = Grants(transport)
        self.actions: Actions[Mode] = Actions(transport)
        self.tenants: Tenants[Mode] = Tenants(transport)
        self.settings: TenantSettings[Mode] = TenantSettings(transport)
        self.changes: Changes[Mode] = Changes(transport)
        self.members: Members[Mode] = Members(transport)
        self.machine_clients: MachineClients[Mode] = MachineClients(transport)
        self.issuers: Issuers[Mode] = Issuers(transport)
        self.log: Log[Mode] = Log(transport)


def caller_for(addresses: Addresses | str, token: str | None, policy: Policy | None) -> Caller:
    """Make what both clients stand on; one address stands for the base of all three services."""
    where = Addresses.under(addresses) if isinstance(addresses, str) else addresses
    return Caller(where, policy or Policy(), agent(), token)


def agent() -> str:
    """Name this program and its version, for the services' logs."""
    try:
        version = metadata.version("openlockbox")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"openlockbox/{version}"


def shown(name: str, caller: Caller) -> str:
    """Write a client's repr: where it calls, and for which realm; never its token."""
    return f"<{name} {caller.addresses.approval or caller.addresses.request_api} realm={caller.realm}>"


def straight(addresses: Addresses) -> dict[str, Any]:
    """Give the `mounts` that keep calls to this machine from going through a proxy."""
    found: dict[str, Any] = {}
    for address in (addresses.request_api, addresses.approval, addresses.audit):
        host = httpx.URL(address).host if address else ""
        if host and is_loopback(host):
            found[f"all://[{host}]" if ":" in host else f"all://{host}"] = None
    return found


def trusted(addresses: Addresses, given: ssl.SSLContext | None) -> ssl.SSLContext | bool:
    """Give the certificates to trust: the given ones or the system's, or none at all where no address takes any."""
    named = [one for one in (addresses.request_api, addresses.approval, addresses.audit) if one]
    if given is None and all(one.startswith("http://") for one in named):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return given or True


def timeouts(seconds: float) -> httpx.Timeout:
    """Give httpx's timeouts for one attempt; connecting alone takes no longer than ten seconds."""
    return httpx.Timeout(seconds, connect=min(seconds, 10.0))


def reply_of(response: httpx.Response, content: bytes) -> Reply:
    """Give an answer without httpx."""
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, content)


def unreachable(error: httpx.HTTPError | httpx.InvalidURL, url: str) -> Unreachable:
    """Say that nobody answered, and where; without the query, which may name people."""
    words = str(error) or type(error).__name__
    return Unreachable(f"{url.partition('?')[0]}: {words}")
