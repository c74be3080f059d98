"""Where the three services answer, and which addresses a token may be sent to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from lockbox.client.calls import Service
from lockbox.client.errors import NotPossible

_LOOPBACK_NAME: Final = "localhost"


@dataclass(frozen=True)
class Addresses:
    """Addresses of the services. A customer's people need `approval` and `audit` alone, so each may be left out.

    Raises NotPossible for one that is no HTTP address, and for `http` to another machine, unless `plain_http` allows it:
    tokens would travel unencrypted.
    """

    request_api: str | None = None
    approval: str | None = None
    audit: str | None = None
    plain_http: bool = False

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str):
                object.__setattr__(self, one.name, _checked(one.name, value, plain_http=self.plain_http))

    @classmethod
    def under(cls, base: str, *, plain_http: bool = False) -> Addresses:
        """Give the addresses below one base, where a proxy leads `BASE/approval/...` to approval, and so on."""
        base = base.rstrip("/")
        return cls(f"{base}/request_api", f"{base}/approval", f"{base}/audit", plain_http)

    @classmethod
    def local(cls, port_base: int = 8000) -> Addresses:
        """Give the addresses of a `lockbox up` on this machine."""
        request_api, approval, audit = (f"http://127.0.0.1:{port_base + number}" for number in range(3))
        return cls(request_api, approval, audit)

    def of(self, service: Service) -> str:
        """Give one address. Raises NotPossible where it is not known."""
        address: str | None = getattr(self, service)
        if address is None:
            raise NotPossible(f"no address of {service} is known: name it")
        return address


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine, by its very name or number."""
    if host == _LOOPBACK_NAME:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _checked(name: str, value: str, *, plain_http: bool) -> str:
    try:
        parts = urlsplit(value.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host:
        raise NotPossible(f"the address of {name} must be like https://lockbox.example")
    if parts.username is not None or parts.query or parts.fragment:
        raise NotPossible(f"the address of {name} must hold no user, query or fragment")
    if parts.scheme == "http" and not plain_http and not is_loopback(host):
        raise NotPossible(
            f"the address of {name} is http, so that tokens would travel unencrypted: use https, or allow plain http"
        )
    return value.strip().rstrip("/")
