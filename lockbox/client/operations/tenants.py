"""Tenants, their settings, the changes that wait for votes, and their issuers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from lockbox.client.calls import Call, Reply, as_, given, nothing, pages_of, path, plain
from lockbox.client.groups import Group, Listing, Mode, Operation
from lockbox.client.reading import Page, read
from lockbox.client.things.tenants import Change, Issuer, Settings, Tenant

Kind = TypeVar("Kind")


def or_change(reader: Callable[[Reply], Kind]) -> Callable[[Reply], Kind | Change]:
    """Read the answer, or (202) the change that waits for votes."""
    return lambda reply: read(Change, reply.json) if reply.status == HTTPStatus.ACCEPTED else reader(reply)


def _register(tenant_id: str, name: str, *, entitled: bool, admin_email: str, admin_name: str) -> Call[Tenant]:
    """Register a tenant, as an operator; its first admin gets a one-time link."""
    body = {"id": tenant_id, "name": name, "entitled": entitled, "admin": {"email": admin_email, "name": admin_name}}
    return Call("POST", "approval", "/v1/tenants", as_(Tenant), body=body, keyed=True)


def _page(*, cursor: str | None = None, limit: int | None = None) -> Call[Page[Tenant]]:
    """List the tenants that one sees."""
    return Call("GET", "approval", "/v1/tenants", pages_of(Tenant), query=given(cursor=cursor, limit=limit))


def _get(tenant_id: str) -> Call[Tenant]:
    """Show a tenant."""
    return Call("GET", "approval", path("/v1/tenants/{}", tenant_id), as_(Tenant))


def _entitle(tenant_id: str, *, entitled: bool) -> Call[Tenant]:
    """Give or take the entitlement, as an operator. Taking it only forbids switching on."""
    where = path("/v1/tenants/{}/entitlement", tenant_id)
    return Call("PUT", "approval", where, as_(Tenant), body={"entitled": entitled})


class Tenants(Group[Mode]):
    """The provider's customers."""

    register = Operation(_register)
    list = Listing(_page)
    page = Operation(_page)
    get = Operation(_get)
    entitle = Operation(_entitle)


def _settings(tenant_id: str) -> Call[Settings]:
    """Read a tenant's settings."""
    return Call("GET", "approval", path("/v1/tenants/{}/settings", tenant_id), as_(Settings))


def _put_settings(tenant_id: str, settings: Settings | Mapping[str, Any]) -> Call[Settings | Change]:
    """Set all of a tenant's settings: what `get` gave, changed. A Change comes back where it takes votes first.

    Raises Conflict `settings_changed` where somebody else has changed them since.
    """
    body = {name: value for name, value in plain(settings).items() if value is not None}
    where = path("/v1/tenants/{}/settings", tenant_id)
    return Call("PUT", "approval", where, or_change(as_(Settings)), body=body)


class TenantSettings(Group[Mode]):
    """A tenant's settings."""

    get = Operation(_settings)
    put = Operation(_put_settings)


def _changes(tenant_id: str, *, cursor: str | None = None, limit: int | None = None) -> Call[Page[Change]]:
    """List a tenant's changes, newest first."""
    where = path("/v1/tenants/{}/changes", tenant_id)
    return Call("GET", "approval", where, pages_of(Change), query=given(cursor=cursor, limit=limit))


def _change(tenant_id: str, change_id: str) -> Call[Change]:
    """Show a change."""
    return Call("GET", "approval", path("/v1/tenants/{}/changes/{}", tenant_id, change_id), as_(Change))


def _approve_change(tenant_id: str, change_id: str) -> Call[Change]:
    """Vote for a change; the last vote that it takes carries it out."""
    where = path("/v1/tenants/{}/changes/{}/approve", tenant_id, change_id)
    return Call("POST", "approval", where, as_(Change), body={}, keyed=True)


def _deny_change(tenant_id: str, change_id: str) -> Call[Change]:
    """Vote against a change; one such vote rejects it."""
    where = path("/v1/tenants/{}/changes/{}/deny", tenant_id, change_id)
    return Call("POST", "approval", where, as_(Change), body={}, keyed=True)


class Changes(Group[Mode]):
    """Changes that weaken a tenant's protection, and wait for votes."""

    list = Listing(_changes)
    page = Operation(_changes)
    get = Operation(_change)
    approve = Operation(_approve_change)
    deny = Operation(_deny_change)


def _issuers(tenant_id: str, *, cursor: str | None = None, limit: int | None = None) -> Call[Page[Issuer]]:
    """List the issuers that a tenant trusts."""
    where = path("/v1/tenants/{}/issuers", tenant_id)
    return Call("GET", "approval", where, pages_of(Issuer), query=given(cursor=cursor, limit=limit))


def _add_issuer(
    tenant_id: str,
    *,
    issuer: str,
    name: str,
    client_id: str,
    algorithm: str,
    mapping: Mapping[str, str],
    client_secret: str | None = None,
    group_claim: str | None = None,
) -> Call[Issuer | Change]:
    """Trust an OIDC issuer; `mapping` gives roles to its groups. A Change comes back where it takes votes first."""
    body = given(
        issuer=issuer,
        name=name,
        client_id=client_id,
        client_secret=client_secret,
        algorithm=algorithm,
        group_claim=group_claim,
        mapping=mapping,
    )
    where = path("/v1/tenants/{}/issuers", tenant_id)
    return Call("POST", "approval", where, or_change(as_(Issuer)), body=body, keyed=True)


def _remove_issuer(tenant_id: str, issuer_id: str) -> Call[Change | None]:
    """Trust an issuer no more."""
    where = path("/v1/tenants/{}/issuers/{}", tenant_id, issuer_id)
    return Call("DELETE", "approval", where, or_change(nothing))


class Issuers(Group[Mode]):
    """The OIDC issuers that a tenant trusts."""

    list = Listing(_issuers)
    page = Operation(_issuers)
    add = Operation(_add_issuer)
    remove = Operation(_remove_issuer)
